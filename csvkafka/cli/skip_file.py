"""`csvkafka skip-file`: leaves a file that stays broken out of a set, so that the set can be
complete."""

from __future__ import annotations

from typing import Any

import click

from csvkafka.cli.options import (
    STORE_SETTINGS,
    SettingsCommand,
    setting_options,
    store_of,
    values_given,
)
from csvkafka.cli.output import count_text
from csvkafka.clock import SystemClock
from csvkafka.config.settings import DEFAULT_JOB_ID, JOB
from csvkafka.errors import ConfigError

EPILOG = """
\b
Examples:
  csvkafka status                            which files failed, and why
  csvkafka skip-file exports/2026-11-27/part-00117.csv.gz
  csvkafka load                              loads what is left, and completes the set

It asks the checkpoint store alone. It cannot be taken back: load a repaired copy of the file under
another key and JOB_ID. Rows of the file that are in the topic
stay there, as many as the command says. csvkafka verify expects these, and no others.

With ORDER=object a file that has failed can be skipped, and one of which nothing was sent; while a
worker has it, not. With ORDER=set the one can be skipped at which the load has stopped, for a row,
the header or damaged compression. Given twice, the command does no harm.

Exit codes: 0 skipped, now or before; 1 a file was not (the error line says which and why; those
before it are skipped), or there is no such job; 2 no such option or argument.
"""

_SETTINGS = (
    *STORE_SETTINGS,
    *(setting for setting in JOB if setting.variable == "JOB_ID"),
)


@click.command("skip-file", cls=SettingsCommand, epilog=EPILOG)
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@setting_options(_SETTINGS)
def command(keys: tuple[str, ...], **options: Any) -> int:
    """Leaves files of the set that is job JOB_ID out for good, each named by its KEY: the set is
    complete when all others are loaded."""
    from csvkafka.job.skip_file import SkipFiles

    values = values_given(options)
    job_id = values.get("JOB_ID", DEFAULT_JOB_ID)
    if not job_id:
        raise ConfigError("JOB_ID is empty: name the job that the set is")
    files = SkipFiles(store_of(values), job_id, SystemClock())
    for key in keys:
        skipped = files.skip(key)
        rows = skipped.left.rows
        left = f"{count_text(rows)} of its rows are in the topic, and stay there"
        click.echo(
            f"{skipped.uri} {'was skipped before' if skipped.before else 'is skipped'}: "
            f"{left if rows else 'none of its rows is in the topic'}"
        )
    return 0
