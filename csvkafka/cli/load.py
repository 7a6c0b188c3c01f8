"""`csvkafka load`: one run of a load, with progress for whoever watches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from csvkafka.cli.options import (
    SettingsCommand,
    log_level_option,
    setting_options,
    source_argument,
    values_given,
)
from csvkafka.cli.output import (
    count_text,
    duration_text,
    is_terminal,
    report_error,
    report_unexpected,
)
from csvkafka.config.settings import SETTINGS
from csvkafka.errors import CsvKafkaError, counted
from csvkafka.exit_codes import ExitCode
from csvkafka.process.ending import EXIT_CODES, EXIT_CODES_VARIABLE, PLAIN, are_detailed, exit_code

if TYPE_CHECKING:
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.job.definition import JobSpec

EPILOG = """
\b
Examples:
  csvkafka load --s3-bucket data --s3-key exports/data.csv \\
      --kafka-bootstrap-servers b-1.msk.com:9092,b-2.msk.com:9092 \\
      --kafka-topic csv-import --dynamodb-table csv-kafka-checkpoint --job-id data-2026-01

\b
  csvkafka load data.csv --kafka-bootstrap-servers localhost:9092 --kafka-topic orders
      a file of this host; checkpoints in a file of your own folder; no AWS

\b
  export S3_BUCKET=data S3_KEY=orders.csv.gz KAFKA_BOOTSTRAP_SERVERS=broker:9092
  export KAFKA_TOPIC=orders DYNAMODB_TABLE=csv-kafka-checkpoint JOB_ID=orders-1
  csvkafka load --create-table --key-column customer_id --kafka-compression-type zstd

\b
  csvkafka load --s3-prefix exports/2026-11-27/ --s3-include '*.csv.gz' --list ...
  csvkafka load --s3-prefix exports/2026-11-27/ --order object --workers 8 ...

\b
  csvkafka load data.csv --kafka-bootstrap-servers localhost:9092 --kafka-topic orders --dry-run
      the first records as they would be sent, and what all would take; writes nothing

Whatever is asked by https goes through HTTPS_PROXY, unless NO_PROXY leaves out its host; brokers
have no proxy. AWS region, credentials and endpoints are those of boto3: AWS_REGION, AWS_PROFILE,
AWS_ENDPOINT_URL, roles.

Exit codes: 0 done (or nothing left to do), 1 failed (a setting is missing or malformed, too), 2 no
such option or argument, 143 and 130 stopped by SIGTERM or Ctrl-C. After each of them but 0 the same
command goes on where the last run ended.

\b
With --exit-codes detailed, instead of 1:
""" + "".join(f"  {code.value}  {code.meaning}\n" for code in ExitCode)

DRY_RUN_ROWS = 20

MOST_WORKERS = 256
"""More processes than any machine has use for are a slip."""

log = logging.getLogger(__name__)


@click.command("load", cls=SettingsCommand, epilog=EPILOG)
@source_argument
@setting_options(SETTINGS)
@click.option(
    "--plain", is_flag=True, help="Log lines instead of a progress bar, on a terminal too."
)
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    metavar="N",
    help="Load a set with ORDER=object by so many processes of this host.",
)
@click.option(
    "--list",
    "shows_list",
    is_flag=True,
    help="Show which objects S3_PREFIX or S3_MANIFEST means, in their order, and end.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the first records as they would be sent, estimate what all of the source would "
    "take, and end: nothing is sent, and nothing is written.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="ROWS",
    help=f"So many rows are shown by --dry-run.  [default: {DRY_RUN_ROWS}]",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="What --dry-run shows as one JSON object, on a terminal too.",
)
@click.option(
    "--exit-codes",
    metavar="|".join(EXIT_CODES),
    envvar=EXIT_CODES_VARIABLE,
    default=PLAIN,
    show_default=True,
    show_envvar=True,
    help="plain: 1 for each failure. detailed: what an orchestrator must tell apart (below).",
)
@log_level_option
def command(
    plain: bool,
    workers: int | None,
    shows_list: bool,
    dry_run: bool,
    limit: int | None,
    as_json: bool,
    exit_codes: str,
    log_level: str,
    **options: Any,
) -> int:
    """Loads CSV into a Kafka topic, an object in S3, a set of them, or the file SOURCE: every row
    once and in order.

    Run again with the same JOB_ID, it goes on where the last run ended, however that ended: kill it
    whenever you like. A second one beside it waits, and takes over should the first die.
    """
    detailed = are_detailed(exit_codes, "--exit-codes")
    if not dry_run and (as_json or limit is not None):
        raise click.UsageError("--limit and --json go with --dry-run: give it too")
    if shows_list and dry_run:
        raise click.UsageError("--list and --dry-run show different things: give one of them")
    if workers is not None and (shows_list or dry_run):
        raise click.UsageError("--workers is for a load: leave it out to look at one")
    try:
        if dry_run:
            _dry_run(limit or DRY_RUN_ROWS, as_json, values_given(options))
        elif shows_list:
            _show_list(values_given(options))
        else:
            _load(plain, log_level, values_given(options), workers)
    except Exception as error:
        if not detailed:
            raise
        report = report_error if isinstance(error, CsvKafkaError) else report_unexpected
        report(error)
        return exit_code(error, detailed=True)
    return 0


def _show_list(settings: Mapping[str, str]) -> None:
    from csvkafka.cli.set_list import set_lines
    from csvkafka.config.load_config import LoadConfig

    logging.getLogger().setLevel(logging.CRITICAL)  # every line is one of ours
    for line in set_lines(LoadConfig.from_settings(settings)):
        click.echo(line)


def _dry_run(limit: int, as_json: bool, settings: Mapping[str, str]) -> None:
    from csvkafka.cli import dry_run_view
    from csvkafka.cli.dry_run import dry_run
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.config.unknown import misspelt_variables

    logging.getLogger().setLevel(logging.CRITICAL)  # every line is one of ours
    config = LoadConfig.from_settings(settings)
    run = dry_run(config, limit)
    run = replace(run, notes=[*misspelt_variables(settings), *run.notes])
    show = dry_run_view.print_table
    if as_json or not is_terminal():
        show = dry_run_view.print_json
    show(run, config)
    if run.failure is not None:
        raise run.failure


def _load(plain: bool, log_level: str, settings: Mapping[str, str], workers: int | None) -> None:
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.config.unknown import misspelt_variables
    from csvkafka.process.logs import checked_level, configure_logging
    from csvkafka.process.signals import StopSignals
    from csvkafka.wiring import run_load

    with StopSignals() as signals:
        configure_logging(checked_level(log_level, "--log-level"))
        for warning in misspelt_variables(settings):
            log.warning("%s", warning)
        config = LoadConfig.from_settings(settings)
        if workers is not None:
            _load_with_workers(config, settings, workers, plain, log_level, signals.requested)
            return
        if plain or not is_terminal():
            run_load(config, stop_signal=signals.requested)
            return
        from csvkafka.cli.load_view import LoadView
        from csvkafka.model import Step

        begun_at = time.monotonic()
        with LoadView(config, logging.getLogger()) as view:
            result = run_load(config, observer=view, stop_signal=signals.requested)
            if result.already_complete:
                view.report(Step.COMPLETED, rows=result.row_count)
        if not result.already_complete:
            seconds = time.monotonic() - begun_at
            skipped = result.files_skipped
            click.echo(
                f"{count_text(result.row_count)} rows are in {_topics_text(config.spec)}; this run "
                f"sent {count_text(result.sent_now)} records in {duration_text(seconds)}"
                + (f"; {counted(skipped, 'file')} skipped" if skipped else "")
            )


def _topics_text(spec: JobSpec) -> str:
    topics = spec.data_topics
    return f"topic{'s' if len(topics) > 1 else ''} {', '.join(topics)}"


def _load_with_workers(
    config: LoadConfig,
    settings: Mapping[str, str],
    count: int,
    plain: bool,
    log_level: str,
    stop_signal: Callable[[], int | None],
) -> None:
    from csvkafka.cli.workers import load_with_workers

    if plain or not is_terminal():
        load_with_workers(config, settings, count, log_level, stop_signal, None)
        return
    from csvkafka.cli.load_view import LoadView
    from csvkafka.model import Step

    with LoadView(config, logging.getLogger()) as view:
        load_with_workers(config, settings, count, log_level, stop_signal, view)
        view.report(Step.COMPLETED, rows=view.progress.rows)
