"""`csvkafka infer`: proposes the table of CSV_COLUMNS from a look at many places of a source."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csvkafka.cli.options import SettingsCommand, setting_options, source_argument, values_given
from csvkafka.cli.output import bytes_text, count_text
from csvkafka.config.settings import SOURCE
from csvkafka.errors import ConfigError, counted

if TYPE_CHECKING:
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.rows.samples import Sampler

EPILOG = """
\b
Examples:
  csvkafka infer data.csv > columns.toml     a file of this host
  csvkafka infer s3://data/exports/data.csv --output columns.toml
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
    """Looks at up to 20 places of the source, 5 MB in all, and proposes a table of columns: the
    strictest type that all texts fit, and what spoke against stricter ones."""
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.schema.inference import as_toml, propose

    if output is not None and output.exists():
        raise ConfigError(f"{output} is there already: name another file by --output, or remove it")
    config = LoadConfig.of_source(values_given(options))
    if config.is_set:
        raise ConfigError(
            "S3_PREFIX and S3_MANIFEST name a set, and one file is looked at: name one of it by "
            "S3_KEY"
        )
    sampler = _sampler(config)
    names = config.spec.columns(sampler.header.names)
    proposals = propose(names, sampler.rows())
    rows = proposals[0].row_count if proposals else 0
    heading = [
        f"Proposed by csvkafka infer, from {counted(rows, 'row')} of {config.source_uri}:",
        f"{bytes_text(sampler.sampled_bytes)} in {counted(sampler.ranges, 'place')} of it"
        + ("" if sampler.can_skip else ", at its beginning, as it is compressed")
        + ". Another row may hold something else.",
    ]
    if sampler.other_widths:
        heading.append(
            f"Left out: {count_text(sampler.other_widths)} lines of another width than the header; "
            "they are bad rows, or parts of rows whose fields hold newlines."
        )
    text = as_toml(proposals, heading, show_values=show_values)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        click.echo(f"{output}: {counted(len(names), 'column')}, from {counted(rows, 'row')}")
    return 0


def _sampler(config: LoadConfig) -> Sampler:
    from csvkafka.rows import doubts
    from csvkafka.rows.preview import preview
    from csvkafka.rows.samples import Sampler
    from csvkafka.sources import open_source

    source = open_source(config)
    identity = source.identify()
    with closing(source.read(0)) as chunks:
        look = preview(chunks, config.spec.dialect, identity.uri)
    if not look.header.names:
        raise ConfigError(f"{identity.uri} has no header row: check CSV_SKIP_LINES and the file")
    for refusal in doubts.refusals(look, config.spec.duplicate_columns, config.spec.given):
        raise ConfigError(refusal)  # what no load would begin with
    return Sampler(
        source.read,
        identity.size,
        look.header,
        config.spec.dialect,
        can_skip=not identity.is_compressed,
    )
