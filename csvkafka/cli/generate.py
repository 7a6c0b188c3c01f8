"""`csvkafka generate`: a CSV of any size, of which the same seed gives the same bytes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from csvkafka.cli.output import bytes_text, count_text, duration_text
from csvkafka.errors import ConfigError
from csvkafka.testing.inputs.csv_files import PRESETS, write_csv
from csvkafka.testing.inputs.csv_files import preset as preset_spec

EPILOG = """
\b
Examples:
  csvkafka generate --rows 1000000 data.csv
  csvkafka generate --rows 5000 --preset nasty --seed 7 - | head
  csvkafka generate --rows 10000000 --columns 20 s3://data/exports/data.csv
  csvkafka generate --bytes 5GB --preset quoted /tmp/large.csv

\b
Presets: plain; narrow (4 columns); wide (100); quoted; text (long fields, newlines in them);
nasty (byte order mark, CRLF, blank lines, odd header, quotes, newlines, Unicode, no final newline);
typed (numbers, dates, times and truth values, such as CSV_COLUMNS declares).
"""

_LINE_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SAMPLE_ROWS = 4096

Command = TypeVar("Command", bound=Callable[..., Any])

_FRACTION = click.FloatRange(0, 1)


def _fraction(name: str, help_text: str) -> Callable[[Command], Command]:
    return click.option(
        f"--{name}", f"{name}_fraction", type=_FRACTION, metavar="0..1", help=help_text
    )


@click.command("generate", epilog=EPILOG)
@click.argument("destination", metavar="FILE|-|s3://BUCKET/KEY")
@click.option("--rows", type=click.IntRange(0), help="Data rows (default: 1000, or by --bytes).")
@click.option("--bytes", "size", metavar="SIZE", help="About so many bytes, as in 500MB or 5GB.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides every byte.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="plain",
    show_default=True,
    help="What it looks like; the options below change it.",
)
@click.option(
    "--columns", "column_count", type=click.IntRange(1), help="Columns, id and key included."
)
@click.option("--keys", "distinct_keys", type=click.IntRange(1), help="Distinct values of key.")
@click.option("--field-characters", type=click.IntRange(1), help="Mean length of a text field.")
@_fraction("quoted", "Fields in quotes that need none.")
@_fraction("newline", "Fields with a line end inside.")
@_fraction("unicode", "Fields with characters beyond ASCII.")
@_fraction("hostile", "Fields with quotes, delimiters, control characters.")
@_fraction("empty", "Empty fields.")
@click.option("--line-end", type=click.Choice(list(_LINE_ENDS)), help="What ends a line.")
@click.option(
    "--bom/--no-bom", "byte_order_mark", default=None, help="Begin with a byte order mark."
)
@click.option("--final-line-end/--no-final-line-end", default=None, help="End with a line end.")
def command(
    destination: str,
    rows: int | None,
    size: str | None,
    seed: int,
    preset: str,
    line_end: str | None,
    **quirks: Any,
) -> int:
    """Makes a CSV: to a file, to stdout (-) or to S3, as a stream: memory does not grow with it.

    The first column, id, numbers the rows from 1. The same options and seed give the same bytes, on
    every platform and in every version of Python.
    """
    if rows is not None and size is not None:
        raise click.UsageError("--rows and --bytes exclude each other")
    changes = {name: value for name, value in quirks.items() if value is not None}
    if line_end is not None:
        changes["line_end"] = _LINE_ENDS[line_end]
    spec = replace(preset_spec(preset, 1000 if rows is None else rows, seed), **changes)
    if size is not None:
        # The share of header and pool in a small file is no matter here: "about".
        sample = sum(map(len, write_csv(replace(spec, row_count=_SAMPLE_ROWS))))
        spec = replace(spec, row_count=max(1, _byte_count(size) * _SAMPLE_ROWS // sample))
    begun_at = time.monotonic()
    written = _write(write_csv(spec), destination)
    if destination != "-":
        click.echo(
            f"{destination}: {count_text(spec.row_count)} rows, {bytes_text(written)} in "
            f"{duration_text(time.monotonic() - begun_at)}"
        )
    return 0


def _byte_count(text: str) -> int:
    number = text.strip().rstrip("BKMGTbkmgt")
    factor = _SIZES.get(text.strip()[len(number) :].upper())
    try:
        count = -1 if factor is None else int(float(number) * factor)
    except ValueError:
        count = -1
    if count < 1:
        raise click.UsageError(f"--bytes must be like 500MB or 5GB, not {text!r}")
    return count


def _write(chunks: Iterable[bytes], destination: str) -> int:
    """Writes the chunks; returns how many bytes they were."""
    counted = _Counted(chunks)
    if destination.startswith("s3://"):
        from csvkafka.testing.inputs.byte_stream import upload

        upload(counted, destination)
    elif destination == "-":
        sys.stdout.buffer.writelines(counted)
        sys.stdout.buffer.flush()
    else:
        try:
            with Path(destination).open("wb") as file:
                file.writelines(counted)
        except OSError as error:
            raise ConfigError(f"cannot write {destination}: {error.strerror or error}") from error
    return counted.size


class _Counted:
    """Passes chunks on and counts their bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            yield chunk
