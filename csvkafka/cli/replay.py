"""`csvkafka replay`: the dead letters of a complete job, loaded as a job of its own."""

from __future__ import annotations

import logging
from typing import Any

import click

from csvkafka.cli.options import (
    SettingsCommand,
    log_level_option,
    setting_options,
    source_argument,
    values_given,
)
from csvkafka.config.settings import SETTINGS

EPILOG = """
\b
Examples:
  export S3_BUCKET=data S3_KEY=orders.csv KAFKA_BOOTSTRAP_SERVERS=broker:9092 KAFKA_TOPIC=orders
  export DYNAMODB_TABLE=csv-kafka-checkpoint JOB_ID=orders-1 CSV_COLUMNS=columns.toml
  export ON_BAD_ROW=dead-letter DEAD_LETTER_TOPIC=orders-dead
  csvkafka load                              sets aside what does not fit columns.toml
  csvkafka replay                            by the repaired columns.toml: job orders-1-replay-1
  csvkafka status orders-1-replay-1
  csvkafka verify --job-id orders-1-replay-1 by the settings that the replay had

\b
  csvkafka replay --job-id orders-1-replay-1 what did not fit then either
  csvkafka replay --replay-id orders-fixed --kafka-topic orders-late
                                             under a name of your own, into another topic

Give it the settings of the load, with what you repaired. The letters are those that the load set
aside, in the topic that its item names; rows that it loaded are not touched. A row that still does
not fit goes the way of ON_BAD_ROW, into DEAD_LETTER_TOPIC, which may be the topic that is read.

Exit codes: 0 done (or no letter to replay, or complete already), 1 failed, 2 no such option or
argument, 143 and 130 stopped by SIGTERM or Ctrl-C. After each of them but 0 the same command goes
on where the last run ended.
"""

log = logging.getLogger(__name__)


@click.command("replay", cls=SettingsCommand, epilog=EPILOG)
@source_argument
@setting_options(setting for setting in SETTINGS if setting.variable != "FAIL_FAST")
@click.option(
    "--replay-id",
    metavar="TEXT",
    help="The name of the replay, which is a job of its own.  [default: JOB_ID and -replay-1]",
)
@click.option(
    "--again",
    is_flag=True,
    help="Load the letters even if a replay of another name has them: rows that fitted then are "
    "sent a second time.",
)
@log_level_option
def command(replay_id: str | None, again: bool, log_level: str, **options: Any) -> int:
    """Loads the rows that the job JOB_ID set aside, by repaired settings: each once and in order,
    with the line and the file that it had.

    The job must be complete. Run again, the replay goes on where its last run ended, however that
    ended."""
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.config.unknown import misspelt_variables
    from csvkafka.process.logs import checked_level, configure_logging
    from csvkafka.process.signals import StopSignals
    from csvkafka.wiring import run_load

    settings = values_given(options)
    with StopSignals() as signals:
        configure_logging(checked_level(log_level, "--log-level"))
        for warning in misspelt_variables(settings):
            log.warning("%s", warning)
        config = LoadConfig.from_settings(settings).as_replay(replay_id, again=again)
        log.info("Job %s replays the dead letters of job %s", config.spec.job_id, config.replays)
        result = run_load(config, stop_signal=signals.requested)
    if result.set_aside:
        log.warning(
            "To replay what this replay set aside, once the cause is repaired: csvkafka replay "
            "--job-id %s",
            config.spec.job_id,
        )
    return 0
