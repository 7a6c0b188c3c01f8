"""Builds each case of the model with spin and a C compiler, runs it, and judges what came out.

`python -m model.check` runs all; names after it run those alone; `--show NAME` prints how one goes
wrong, step by step. A search that was not exhaustive is a failure, never a pass.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from model.cases import CASES, Breaks, Holds

SOURCE = Path(__file__).with_name("csvkafka.pml")
MEMORY_MEGABYTES = 3500
DEEPEST = 2_000_000
"""Steps of one path; each costs some 30 bytes. A deeper path makes the search fail, by name."""

INCOMPLETE = (
    "max search depth too small",
    "Search not completed",
    "reached -DMEMLIM",
    "out of memory",
)
STEP = re.compile(r"^ *((?:worker \d|leader|item|calm): .*)$", re.MULTILINE)


class ModelError(Exception):
    """The check could not be done."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What the search found: `error` is its first violation, or empty. `steps`: the way to it."""

    error: str
    exhaustive: bool
    states: int
    megabytes: int
    seconds: float
    steps: tuple[str, ...] = ()


def search(case: Holds | Breaks) -> Searched:
    """Builds and runs one case in a folder of its own. Depth first for what must hold (less
    memory), breadth first for what must break (the shortest way)."""
    with tempfile.TemporaryDirectory(prefix="csvkafka-model-") as name:
        folder = Path(name)
        completes = isinstance(case, Holds) and case.completes
        defines = case.defines.split() + (["-DCALM"] if completes else [])
        run(folder, "spin", "-a", *defines, str(SOURCE))
        breadth = ["-DBFS"] if isinstance(case, Breaks) else []
        mode = ["-DNFAIR=3"] if completes else ["-DSAFETY"]
        limit = f"-DMEMLIM={MEMORY_MEGABYTES}"
        run(folder, "cc", "-O2", "-w", "-DCOLLAPSE", limit, *breadth, *mode, "-o", "pan", "pan.c")
        depth = [] if breadth else [f"-m{DEEPEST}"]
        options = ["-a", "-f"] if completes else ["-E"]
        began_at = time.monotonic()
        said = run(folder, "./pan", "-n", *options, *depth, may_fail=True)
        seconds = time.monotonic() - began_at
        trail = folder / "csvkafka.pml.trail"
        replayed = ""
        if trail.exists():
            replayed = run(
                folder, "spin", "-t", "-T", *defines, "-k", str(trail), str(SOURCE), may_fail=True
            )
        return judged(said, seconds, replayed)


def judged(said: str, seconds: float, replayed: str) -> Searched:
    """Reads what the search printed. Raises ModelError if that is not the end of a search."""
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\d+) states, stored", said)
    memory = re.search(r"([\d.]+)\ttotal actual memory", said)
    if errors is None or states is None or memory is None:
        raise ModelError(f"the search did not come to its end:\n{said[-1000:]}")
    error = re.search(r"^pan:\d+: (.*)$", said, re.MULTILINE)
    return Searched(
        error=(error[1] if error else "an error without a name") if errors[1] != "0" else "",
        exhaustive=not any(sign in said for sign in INCOMPLETE),
        states=int(states[1]),
        megabytes=round(float(memory[1])),
        seconds=seconds,
        steps=tuple(STEP.findall(replayed)),
    )


def verdict(case: Holds | Breaks, searched: Searched) -> str:
    """Why the case failed; empty if it passed."""
    if isinstance(case, Holds):
        if searched.error:
            return searched.error
        return "" if searched.exhaustive else "the search was not exhaustive"
    if not searched.error:
        return "nothing goes wrong"
    if len(searched.steps) != case.steps:
        return f"goes wrong after {len(searched.steps)} steps, the table says {case.steps}"
    return ""


def run(folder: Path, *command: str, may_fail: bool = False) -> str:
    """What the command printed. Raises ModelError if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode != 0 and not may_fail:
        raise ModelError(f"{' '.join(command)} failed:\n{said[-1000:]}")
    return said


def missing_tools() -> str:
    """What to install, in one line; empty if all is there."""
    missing = [tool for tool in ("spin", "cc") if shutil.which(tool) is None]
    if not missing:
        return ""
    return (
        f"the model needs {' and '.join(missing)}: on Debian or Ubuntu, "
        "apt-get install spin gcc libc6-dev"
    )


def show(name: str) -> int:
    """Prints the steps of the case's shortest way."""
    (case,) = [case for case in CASES if case.name == name]
    searched = search(case)
    print("\n".join(searched.steps))
    print(searched.error or "nothing goes wrong")
    return 0


def check(cases: list[Holds | Breaks]) -> int:
    """Runs the cases and prints a line for each; 1 if one failed."""
    failed = 0
    print(f"{'states':>12} {'MB':>6} {'s':>6} {'steps':>5}  case")
    for case in cases:
        searched = search(case)
        why = verdict(case, searched)
        failed += bool(why)
        print(
            f"{searched.states:>12,} {searched.megabytes:>6,} {searched.seconds:>6.1f} "
            f"{len(searched.steps) or '':>5}  {case.name}{': FAILED: ' + why if why else ''}",
            flush=True,
        )
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """All cases, the named ones, or `--show NAME`; the exit code."""
    names = [argument for argument in arguments if argument != "--show"]
    unknown = set(names) - {case.name for case in CASES}
    lacking = missing_tools()
    if lacking or unknown:
        print(lacking or f"no such case: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    if "--show" in arguments:
        return max(show(name) for name in names)
    return check([case for case in CASES if case.name in names or not names])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ModelError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
