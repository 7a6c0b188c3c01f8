"""Measures and prints tables; see docs/performance.md for what they mean.

python -m benchmarks                       compare csvkafka with what else there is
python -m benchmarks codecs shapes         some sections
python -m benchmarks page                  everything, and docs/performance.md anew: 25 minutes
python -m benchmarks page --quick          a look at all of it, into reports/: 8 minutes
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import page, plot
from benchmarks.ground import Ground
from benchmarks.inputs import make_inputs
from benchmarks.sections import SECTIONS, Line, Options

REPOSITORY = Path(__file__).parent.parent
REPORTS = REPOSITORY / "reports"

ONCE = ("sources", "codecs", "checkpoints", "workers", "resume", "growth")
"""Sections that the page has of one round; it has the others of two."""


def main() -> None:
    """Runs the sections that were asked for."""
    arguments = _arguments()
    is_page = "page" in arguments.sections
    names = list(SECTIONS) if is_page else arguments.sections
    figures = arguments.json or (REPORTS / "performance.json" if is_page else None)
    if figures is not None:
        figures.parent.mkdir(parents=True, exist_ok=True)
        if is_page:
            figures.unlink(missing_ok=True)
    facts = {
        "machine": _machine(),
        "command": f"nox -s bench -- {' '.join(sys.argv[1:])}".strip(),
        "run": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    print(facts["machine"])
    with tempfile.TemporaryDirectory(prefix="csvkafka-bench-") as folder:
        inputs = make_inputs(Path(folder))
        with Ground(Path(folder)) as ground:
            options = Options(
                ground,
                inputs,
                Path(folder),
                arguments.rounds,
                arguments.scale,
                arguments.millions,
                arguments.objects,
            )
            print("warming up", flush=True)
            SECTIONS["workers"](replace(options, rounds=1, scale=6))
            for name in names:
                print(f"\n{name}: {(SECTIONS[name].__doc__ or '').splitlines()[0]}", flush=True)
                begun = time.monotonic()
                once = is_page and name in ONCE
                lines = SECTIONS[name](replace(options, rounds=1) if once else options)
                seconds = time.monotonic() - begun
                _print_table(lines)
                print(f"it took {seconds:.0f} s", flush=True)
                if figures is not None:
                    _add(figures, name, {**facts, "seconds": seconds, "lines": lines})
    if is_page and figures is not None:
        _write_page(figures, REPORTS if arguments.quick else REPOSITORY / "docs")
    elif arguments.plot is not None and figures is not None:
        _plot(figures, arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sections", nargs="*", default=["compare"], help=f"page, or of: {', '.join(SECTIONS)}"
    )
    parser.add_argument("--rounds", type=int, help="runs of each contender (3; of the page 2)")
    parser.add_argument("--scale", type=int, help="divides the sizes, for a quick look")
    parser.add_argument(
        "--millions", type=int, nargs="+", help="rows of the section growth (1 10 50)"
    )
    parser.add_argument("--objects", type=int, help="small objects of the section small (10,000)")
    parser.add_argument("--quick", action="store_true", help="one round of a third of the rows")
    parser.add_argument("--json", type=Path, help="file for the figures; sections are added to it")
    parser.add_argument("--plot", type=Path, help="SVG file for the section growth of --json")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS) - {"page"}
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}")
    is_quick = arguments.quick
    several = 2 if "page" in arguments.sections else 3
    arguments.rounds = arguments.rounds or (1 if is_quick else several)
    arguments.scale = arguments.scale or (3 if is_quick else 1)
    arguments.millions = arguments.millions or ([1, 2] if is_quick else [1, 10, 50])
    arguments.objects = arguments.objects or 10_000 // arguments.scale
    return arguments


def _write_page(figures: Path, folder: Path) -> None:
    """performance.md and growth.svg, of the figures, into the folder."""
    of = json.loads(figures.read_text(encoding="utf-8"))
    text = page.page(of, page.TEMPLATE.read_text(encoding="utf-8"))
    (folder / "performance.md").write_text(text, encoding="utf-8")
    _plot(figures, folder / "growth.svg")
    print(f"\nwritten: {folder / 'performance.md'}, {folder / 'growth.svg'}")


def _plot(figures: Path, file: Path) -> None:
    growth = json.loads(figures.read_text(encoding="utf-8"))["growth"]["lines"]
    file.write_text(plot.growth(growth), encoding="utf-8")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}, load average before the start {load:.1f}"
    )


def _processor() -> str:
    """The processor's name, where the machine tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _add(file: Path, name: str, section: Mapping[str, object]) -> None:
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known[name] = section
    file.write_text(json.dumps(known, indent=1), encoding="utf-8")


def _print_table(lines: Sequence[Line]) -> None:
    columns = list(dict.fromkeys(key for line in lines for key in line))
    rows = [columns, *([_text(line.get(key, "")) for key in columns] for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    for row in rows:
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells))


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    main()
