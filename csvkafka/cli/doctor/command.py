"""`csvkafka doctor`: what a load would trip over, found before it; one line a finding.

`findings` says what a check is and runs them; each `*_checks` module holds those of one part of a
load; `show` writes what they found, for people and as JSON.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Any

import click

from csvkafka.cli.options import SettingsCommand, setting_options, source_argument, values_given
from csvkafka.cli.output import is_terminal
from csvkafka.config.settings import SETTINGS

EPILOG = """
\b
Examples:
  csvkafka doctor                            with the settings of the environment
  csvkafka doctor --probe-topic scratch      also asks the broker for what the promise hangs on
  csvkafka doctor --json | jq .              for programs

It changes nothing, but for a few records in the probe topic: what each answer means is in
docs/brokers.md. Give it the settings of the load.

Exit codes: 0 the load can begin (perhaps with warnings), 1 it would fail, or its promise would
break.
"""


@click.command("doctor", cls=SettingsCommand, epilog=EPILOG)
@source_argument
@setting_options(SETTINGS)
@click.option(
    "--probe-topic",
    metavar="TOPIC",
    help="A scratch topic (it must exist, best new and with 3 partitions): some records, of which "
    "some are deleted again, show how far the broker keeps Kafka's rules for sequence numbers.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, for programs.")
def command(probe_topic: str | None, as_json: bool, **options: Any) -> int:
    """Checks source, checkpoint table, job, topic and broker before a load."""
    from csvkafka.cli.doctor import checkup, show
    from csvkafka.cli.doctor.findings import Examination, Finding, Mark, examine
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.config.unknown import misspelt_variables

    logging.getLogger().setLevel(logging.CRITICAL)  # every finding is a line of ours
    settings = values_given(options)
    # Shown before the settings are read: one that is missing may be the one that is misspelt.
    found = [Finding(Mark.WARNING, "settings", text) for text in misspelt_variables(settings)]
    if not as_json:
        for finding in found:
            show.print_line(finding)
    config = LoadConfig.from_settings(settings)
    with closing(Examination(config, probe_topic)) as examination:
        for finding in examine(examination, checkup.CHECKS):
            found.append(finding)
            if not as_json and not (finding.case and is_terminal()):
                show.print_line(finding)
    if as_json:
        show.print_json(found)
    elif is_terminal() and any(finding.case for finding in found):
        show.print_cases(found)
    return int(any(finding.mark is Mark.ERROR for finding in found))
