"""`csvkafka infer`: proposes the table of CSV_COLUMNS from a look at many places of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csvkafka.cli.options import SettingsCommand, setting_options, source_argument, values_given
from csvkafka.cli.output import bytes_text, count_text
from csvkafka.config.settings import SOURCE
from csvkafka.errors import ConfigError, counted

if TYPE_CHECKING:
    from csvkafka.cli.looked_at import LookedAt
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.rows.samples import Sampler

EPILOG = """
\b
Examples:
  csvkafka infer data.csv > columns.toml     a file of this host
  csvkafka infer s3://data/exports/data.csv --output columns.toml
  csvkafka infer --s3-bucket data --s3-prefix exports/ > columns.toml      a set
  CSV_COLUMNS=columns.toml csvkafka doctor   shows the records that it makes

Look at the table before you load by it: a row that was not looked at may hold something else. Exit
codes: 0 proposed, 1 the source cannot be read, or the output is there already.
"""


@click.command("infer", cls=SettingsCommand, epilog=EPILOG)
@source_argument
@setting_options(SOURCE)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.option(
    "--show-values",
    is_flag=True,
    help="Show texts of the file in the comments; else 9 stands for digits and a for letters.",
)
def command(output: Path | None, show_values: bool, **options: Any) -> int:
    """Looks at up to 20 places of the source (of a set, in up to 10 files), 5 MB in all, and
    proposes a table of columns: the strictest type that all texts fit, and what spoke against
    stricter ones."""
    from csvkafka.cli.looked_at import LookedAt
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.schema.inference import as_toml, propose

    if output is not None and output.exists():
        raise ConfigError(f"{output} is there already: name another file by --output, or remove it")
    config = LoadConfig.of_source(values_given(options))
    source = LookedAt(config, of_job=False)
    check_beginning(source, config)
    files = Files(source)
    proposals = propose(files.names, files.rows())
    rows = proposals[0].row_count if proposals else 0
    text = as_toml(proposals, files.heading(config.source_uri, rows), show_values=show_values)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        click.echo(f"{output}: {counted(len(files.names), 'column')}, from {counted(rows, 'row')}")
    return 0


def check_beginning(source: LookedAt, config: LoadConfig) -> None:
    """Raises ConfigError for what no load would begin with."""
    from csvkafka.rows import doubts

    look = source.look()
    if not look.header.names:
        raise ConfigError(
            f"{config.source_uri} has no header row: check CSV_SKIP_LINES and the file"
        )
    for refusal in doubts.refusals(look, config.spec.duplicate_columns, config.spec.given):
        raise ConfigError(refusal)


class Files:
    """The rows that are seen of a source, of a set's files one after the other; afterwards it says
    what was looked at."""

    def __init__(self, source: LookedAt) -> None:
        self._source = source
        self.names: tuple[str, ...] = next(source.files_to_look_at()).names
        self._samplers: list[Sampler] = []

    def rows(self) -> Iterator[Sequence[str]]:
        """With the columns in the first file's order. Raises as the source does, and ConfigError
        for a file that has others."""
        for file in self._source.files_to_look_at():
            names = file.names
            if not names:
                continue  # an empty file has no rows
            if sorted(names) != sorted(self.names):
                raise ConfigError(
                    f"the columns of {file.identity.uri} are {', '.join(names)}, and those of the "
                    f"set's first file {', '.join(self.names)}; leave such files out by S3_EXCLUDE"
                )
            places = [names.index(name) for name in self.names]
            sampler = file.sampler()
            self._samplers.append(sampler)
            for row in sampler.rows():
                yield row if names == self.names else [row[place] for place in places]

    def heading(self, uri: str, row_count: int) -> Iterator[str]:
        """On how much the proposals rest."""
        samplers, count = self._samplers, self._source.file_count
        sampled = bytes_text(sum(sampler.sampled_bytes for sampler in samplers))
        places = counted(sum(sampler.ranges for sampler in samplers), "place")
        files = "it" if count == 1 else f"{len(samplers)} of its {counted(count, 'file')}"
        begun = sum(not sampler.can_skip for sampler in samplers)
        compressed = "" if not begun else ", at the beginning of what is compressed"
        yield f"Proposed by csvkafka infer, from {counted(row_count, 'row')} of {uri}:"
        yield f"{sampled} in {places} of {files}{compressed}. Another row may hold something else."
        if others := sum(sampler.other_widths for sampler in samplers):
            yield (
                f"Left out: {count_text(others)} {'row' if others == 1 else 'rows'} of another "
                "width than the header; they are bad rows, or parts of rows whose fields hold "
                "newlines."
            )
