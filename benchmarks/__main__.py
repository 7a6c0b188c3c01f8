"""Measures and prints tables; see docs/performance.md for what they mean.

python -m benchmarks                       compare csvkafka with what else there is
python -m benchmarks all --json out.json   everything (an hour)
python -m benchmarks codecs shapes         some sections
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import plot
from benchmarks.ground import Ground
from benchmarks.inputs import make_inputs
from benchmarks.sections import SECTIONS, Line, Options


def main() -> None:
    """Runs the sections that were asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sections", nargs="*", default=["compare"], help=f"all, or of: {', '.join(SECTIONS)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender")
    parser.add_argument("--scale", type=int, default=1, help="divides the sizes, for a quick look")
    parser.add_argument(
        "--millions", type=int, nargs="+", default=[1, 10, 50], help="rows of the section growth"
    )
    parser.add_argument("--json", type=Path, help="file for the figures; sections are added to it")
    parser.add_argument("--plot", type=Path, help="SVG file for the section growth of --json")
    arguments = parser.parse_args()
    names = list(SECTIONS) if "all" in arguments.sections else arguments.sections
    unknown = set(names) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}")
    print(_machine())
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
            )
            print("warming up", flush=True)
            SECTIONS["workers"](Options(ground, inputs, Path(folder), 1, 6))
            for name in names:
                print(f"\n{name}: {(SECTIONS[name].__doc__ or '').splitlines()[0]}", flush=True)
                lines = SECTIONS[name](options)
                _print_table(lines)
                if arguments.json is not None:
                    _add(arguments.json, name, lines)
    if arguments.plot is not None and arguments.json is not None:
        growth = json.loads(arguments.json.read_text())["growth"]["lines"]
        arguments.plot.write_text(plot.growth(growth), encoding="utf-8")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, "
        f"load average before the start {load:.1f}"
    )


def _add(file: Path, name: str, lines: Sequence[Line]) -> None:
    known = json.loads(file.read_text()) if file.exists() else {}
    known[name] = {"machine": _machine(), "lines": lines}
    file.write_text(json.dumps(known, indent=1))


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
