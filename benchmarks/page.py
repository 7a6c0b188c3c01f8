"""docs/performance.md, made of the figures of a run and of the prose in `page.md` beside this file.

    python -m benchmarks.page FIGURES.json > docs/performance.md

`python -m benchmarks page` runs all sections and does this at its end. In the prose,
`{{table NAME}}` stands for a section's table, `{{targets}}` for what is to be reached and what was,
and `{{run}}` for the machine and the command.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Lines = Sequence[Mapping[str, Any]]
Figures = Mapping[str, Mapping[str, Any]]
"""By section: `machine`, `command`, `run` (the same for all sections of one run), `lines`."""

TEMPLATE = Path(__file__).parent / "page.md"

_MICROSECONDS = "{:.2f} µs"
_COLUMNS: Mapping[str, tuple[str, str]] = {
    "records/s": ("rows/s", "{:,.0f}"),
    "MB/s": ("MB/s", "{:.1f}"),
    "cpu us/record": ("processor time per row", _MICROSECONDS),
    "broker cpu us/record": ("broker", _MICROSECONDS),
    "peak MB": ("memory", "{:.0f} MB"),
    "item writes": ("writes to DynamoDB", "{:.0f}"),
    "first row s": ("first new row after", "{:.2f} s"),
    "lowest s": ("lowest", "{:.2f} s"),
    "first row cpu s": ("processor time until then", "{:.2f} s"),
}
"""What is shown of a line, if its section measures it: the head of the column and its format."""


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that is to be at least, or `at_most`, so much."""

    name: str
    wanted: float
    reached: Callable[[Figures], float]
    at_most: bool = False
    unit: str = ""

    def row(self, figures: Figures) -> str:
        """The line of the table; it says so where the run has not measured it."""
        bound = "at most" if self.at_most else "at least"
        wanted = f"{self.name}: {bound} {self.wanted:g}{self.unit}"
        try:
            reached = self.reached(figures)
        except KeyError:
            return f"| {wanted} | not measured |"
        is_met = reached <= self.wanted if self.at_most else reached >= self.wanted
        shown = f"{reached:.0f}" if self.unit else f"{reached:.2f}"
        return f"| {wanted} | {shown}{self.unit}{'' if is_met else ' (**missed**)'} |"


def _of(figures: Figures, section: str, name: str, figure: str) -> float:
    for line in figures[section]["lines"]:
        if line["name"] == name:
            return float(line[figure])
    raise KeyError(name)


def _ratio(
    section: str, figure: str, name: str, other: str, other_section: str | None = None
) -> Callable[[Figures], float]:
    def reached(figures: Figures) -> float:
        below = _of(figures, other_section or section, other, figure)
        return _of(figures, section, name, figure) / below

    return reached


def _best_java(section: str) -> Callable[[Figures], float]:
    def reached(figures: Figures) -> float:
        rates = [
            float(line["records/s"])
            for line in figures[section]["lines"]
            if "perf-test" in line["name"]
        ]
        if not rates:
            raise KeyError(section)
        return _of(figures, section, "csvkafka", "records/s") / max(rates)

    return reached


def _without_start(figures: Figures) -> float:
    """A load's processor time but for its start, in that of gzip alone."""
    whole = _of(figures, "profile", "all", "cpu us/record")
    start = _of(figures, "profile", "start of the process", "cpu us/record")
    return (whole - start) / _of(figures, "limit", "gzip alone", "cpu us/record")


def _most_memory(figures: Figures) -> float:
    sections = ("compare", "lz4", "shapes", "partitions", "growth", "codecs", "encoders")
    by_loader = [
        float(line["peak MB"])
        for section in sections
        for line in figures[section]["lines"]
        if "item writes" in line and "3 threads" not in line["name"]  # none of the others' loads
    ]
    return max(by_loader)


TARGETS = (
    Target(
        "processor time per row, of the Python encoder's",
        0.4,
        _ratio("compare", "cpu us/record", "csvkafka", "csvkafka, Python encoder"),
        at_most=True,
    ),
    Target(
        "processor time per row, of gzip alone on the same records, the start left out",
        2.5,
        _without_start,
        at_most=True,
    ),
    Target(
        "rows/s, of the Python encoder's",
        2.0,
        _ratio("compare", "records/s", "csvkafka", "csvkafka, Python encoder"),
    ),
    Target("rows/s, of `kafka-producer-perf-test`'s best, gzip", 4.0, _best_java("compare")),
    Target("the same, lz4", 2.0, _best_java("lz4")),
    Target(
        "every field quoted, bytes/s of plain", 0.8, _ratio("shapes", "MB/s", "quoted", "flights")
    ),
    Target(
        "quoted newlines in one row of ten, bytes/s of the table without them",
        0.6,
        _ratio("shapes", "MB/s", "newlines", "single-lines"),
    ),
    Target("100 columns, bytes/s of 19", 1.2, _ratio("shapes", "MB/s", "wide", "flights")),
    Target(
        "8 partitions by a key, rows/s of one",
        0.9,
        _ratio("partitions", "records/s", "8 partitions, key", "1 partition, key"),
    ),
    Target(
        "a set of 10,000 small objects, rows/s of one object",
        0.4,
        _ratio("small", "records/s", "objects of 200 rows", "one object"),
    ),
    Target("memory with two threads, the most of all loads", 110, _most_memory, True, " MB"),
    Target(
        "`verify`, rows/s", 300_000, lambda of: _of(of, "verify", "compiled", "records/s"),
        unit=" rows/s",
    ),
)  # fmt: skip


def page(figures: Figures, template: str) -> str:
    """The page. Raises KeyError for a table of a section that does not exist."""

    def filled(found: re.Match[str]) -> str:
        match found[1].split():
            case ["run"]:
                return _run(figures)
            case ["targets"]:
                rows = [target.row(figures) for target in TARGETS]
                return "\n".join(["| wanted | reached |", "|---|---|", *rows])
            case ["table", section] if section not in figures:
                return "Not measured in this run."
            case ["table", section]:
                return table(figures[section]["lines"])
        raise KeyError(found[0])

    return re.sub(r"\{\{([^}]*)\}\}", filled, template)


def table(lines: Lines) -> str:
    """The lines as a Markdown table, with the range of the rates where there was one."""
    shown = [column for column in _COLUMNS if any(column in line for line in lines)]
    head = ["", *(_COLUMNS[column][0] for column in shown)]
    rows = [[str(line["name"]), *(_cell(line, column) for column in shown)] for line in lines]
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in cells)


def _cell(line: Mapping[str, Any], column: str) -> str:
    if column not in line or (column == "MB/s" and not line[column]):
        return "–"
    form = _COLUMNS[column][1]
    value = form.format(line[column])
    if column == "records/s" and line["lowest"] != line["highest"]:
        return f"{value} [{form.format(line['lowest'])}–{form.format(line['highest'])}]"
    return value


def _run(figures: Figures) -> str:
    runs = {section["run"] for section in figures.values()}
    if len(runs) > 1:
        lines = [
            f"- {name}: `{section['command']}`, {section['machine']}"
            for name, section in figures.items()
        ]
        return "\n".join([f"**These figures are of {len(runs)} runs:**", "", *lines])
    section = next(iter(figures.values()))
    minutes = sum(float(one["seconds"]) for one in figures.values()) / 60
    return (
        f"All tables that are not said to be others' are of **one run** of `{section['command']}` "
        f"({minutes:.0f} minutes): {section['machine']}."
    )


def main() -> None:
    """Prints the page."""
    figures = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(page(figures, TEMPLATE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
