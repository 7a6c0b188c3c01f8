"""`csvkafka load`: one run of a load, with progress for whoever watches."""

from __future__ import annotations

import logging
import time
from typing import Any

import click

from csvkafka.cli.options import SettingsCommand, log_level_option, setting_options, values_given
from csvkafka.cli.output import count_text, duration_text, is_terminal
from csvkafka.config.settings import SETTINGS

EPILOG = """
\b
Examples:
  csvkafka load --s3-bucket data --s3-key exports/data.csv \\
      --kafka-bootstrap-servers b-1.msk.com:9092,b-2.msk.com:9092 \\
      --kafka-topic csv-import --dynamodb-table csv-kafka-checkpoint --job-id data-2026-01

\b
  export S3_BUCKET=data S3_KEY=orders.csv.gz KAFKA_BOOTSTRAP_SERVERS=broker:9092
  export KAFKA_TOPIC=orders DYNAMODB_TABLE=csv-kafka-checkpoint JOB_ID=orders-1
  csvkafka load --create-table --key-column customer_id --kafka-compression-type zstd

AWS region, credentials and endpoints are those of boto3: AWS_REGION, AWS_PROFILE,
AWS_ENDPOINT_URL, roles.

Exit codes: 0 done (or nothing left to do), 1 failed, 2 the command line is wrong, 143 and 130
stopped by SIGTERM or Ctrl-C. After each of them but 0 the same command goes on where the last run
ended.
"""


@click.command("load", cls=SettingsCommand, epilog=EPILOG)
@setting_options(SETTINGS)
@click.option(
    "--plain", is_flag=True, help="Log lines instead of a progress bar, on a terminal too."
)
@log_level_option
def command(plain: bool, log_level: str, **options: Any) -> int:
    """Loads one CSV object from S3 into a Kafka topic: every row once and in order.

    Run again with the same JOB_ID, it goes on where the last run ended, however that ended: kill it
    whenever you like. A second one beside it waits, and takes over should the first die.
    """
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.process.logs import configure_logging
    from csvkafka.process.signals import StopSignals
    from csvkafka.processor import run_load

    with StopSignals() as signals:
        configure_logging(log_level.upper())
        config = LoadConfig.from_settings(values_given(options))
        if plain or not is_terminal():
            run_load(config, stop_signal=signals.requested)
            return 0
        from csvkafka.cli.load_view import LoadView
        from csvkafka.model import Step

        begun_at = time.monotonic()
        with LoadView(config, logging.getLogger()) as view:
            result = run_load(config, observer=view, stop_signal=signals.requested)
            if result.already_complete:
                view.report(Step.COMPLETED, rows=result.row_count)
        if not result.already_complete:
            seconds = time.monotonic() - begun_at
            click.echo(
                f"{count_text(result.row_count)} rows are in topic {config.spec.topic}; this run "
                f"sent {count_text(result.sent_now)} records in {duration_text(seconds)}"
            )
        return 0
