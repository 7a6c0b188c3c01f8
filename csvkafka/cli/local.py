"""`csvkafka local`: Kafka, S3 and DynamoDB on this machine, until Ctrl-C."""

from __future__ import annotations

import logging
import re

import click

_TOPIC = re.compile(r"(?!\.{1,2}$)[\w.-]{1,249}", re.ASCII)

EPILOG = """
\b
Examples:
  csvkafka local --bucket data --table csv-kafka-checkpoint --topic csv-import
  csvkafka local --brokers 3 --topic rows --topic dead-letters --partitions 6
  csvkafka local --kafka-release 3.9.1

\b
Larger records in one of its topics (before Kafka 4.4 the class is kafka.admin.ConfigCommand):
  "$JAVA_HOME/bin/java" org.apache.kafka.tools.ConfigCommand --alter --topic dead-letters \\
      --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" --add-config max.message.bytes=8000000

It prints `export` lines; paste them into another shell, and boto3, csvkafka and Kafka's tools (by
CLASSPATH) go there. What it holds is gone when it stops, however it stops. The first start on a
machine fetches 45 MB of jars. Needs csvkafka[local].
"""


@click.command("local", epilog=EPILOG)
@click.option(
    "--brokers",
    type=click.Choice(["1", "3"]),
    default="1",
    show_default=True,
    help="Kafka brokers; topics are replicated to all.",
)
@click.option(
    "--kafka-release",
    metavar="RELEASE",
    help="Kafka's release, e.g. 3.9.1 (default: $CSVKAFKA_KAFKA_RELEASE, else the newest that "
    "csvkafka is tested with); an unknown one is answered with those that are there.",
)
@click.option("--bucket", metavar="NAME", help="Create this S3 bucket (versioned).")
@click.option("--table", metavar="NAME", help="Create this checkpoint table.")
@click.option(
    "--topic",
    "topics",
    metavar="NAME",
    multiple=True,
    help="Create this topic; may be given several times, KAFKA_TOPIC is the first.",
)
@click.option(
    "--partitions",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Partitions of each topic.",
)
def command(
    brokers: str,
    kafka_release: str | None,
    bucket: str | None,
    table: str | None,
    topics: tuple[str, ...],
    partitions: int,
) -> int:
    """Starts Kafka, S3 and DynamoDB on this machine and prints the exports that point there."""
    from csvkafka.local.run import run_local

    for topic in topics:
        if not _TOPIC.fullmatch(topic):
            raise click.BadParameter(
                f"{topic!r} is not a name that Kafka allows (letters, digits, '.', '_' and '-')",
                param_hint="--topic",
            )
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    run_local(
        int(brokers),
        echo=click.echo,
        kafka_release=kafka_release,
        bucket=bucket,
        table=table,
        topics=topics,
        partition_count=partitions,
    )
    return 0
