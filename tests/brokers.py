"""What the probe's cases were answered by each release of Kafka, as docs/brokers.md has it.

As a program it starts each release that is there, asks, and prints the page:

    python -m tests.brokers > docs/brokers.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.probe import PARTITION_COUNT, probe
from csvkafka.kafka.probe_cases import CASES, CaseResult
from csvkafka.local.base import Stack
from csvkafka.local.releases import known_releases
from csvkafka.local.stack import EmbeddedStack

PAGE = Path(__file__).parents[1] / "docs" / "brokers.md"

HEAD = """# What brokers answer

csvkafka's promise hangs on how a partition's leader treats sequence numbers
([guarantees.md](guarantees.md)). `csvkafka doctor --probe-topic` asks a server for each of those
rules. This page has what each release of Apache Kafka answered, asked with the embedded stack.
`nox -s brokers` makes it anew, and `tests/integration/test_brokers.py` compares it with the release
that a test session runs (`--kafka-release`).

Ask a server of your own with the settings of the load, and a scratch topic of three partitions,
best a new one:

```sh
kafka-topics.sh --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" \\
    --create --topic csvkafka-scratch --partitions 3
csvkafka doctor --probe-topic csvkafka-scratch          # --json for programs
```

It exits with 1 where the promise would not hold. Each case sends batches of one record by a
producer id of its own. *Sent* lists their sequence numbers, by epoch where there are several, and
other requests by name. An answer is one of these:

- `stored`; `recognised`: no error, and not stored again; `emptied`: no record is left;
- `known` or `unknown`: what DescribeProducers says about the producer id;
- Kafka's name of an error.

The rights of a load are enough (DESCRIBE, READ and WRITE on the topic; DescribeProducers takes
READ), but for DeleteRecords, which takes DELETE: without it that case is skipped. Records are
deleted only in a partition that held none before.

"""

TABLE_HEAD = """| case | sent | answer | for a load | Apache Kafka |
|---|---|---|---|---|
"""

Row = tuple[str, str, str, str]


def ask(stack: Stack, topic: str) -> list[CaseResult]:
    """What the stack's brokers answer; makes the topic."""
    stack.create_topic(topic, PARTITION_COUNT)
    settings = KafkaSettings(tuple(stack.bootstrap_servers.split(",")))
    with closing(KafkaClient(settings)) as client:
        client.connect()
        return list(probe(client, topic))


def row(result: CaseResult) -> Row:
    """A result as the page has it."""
    return (result.case, result.sent, result.answer, f"{result.verdict}: {result.meaning}")


def page(answers: Mapping[str, Iterable[CaseResult]]) -> str:
    """The document: a line for each case, or several where releases differ."""
    releases: dict[Row, list[str]] = {}
    for release, results in answers.items():
        for result in results:
            releases.setdefault(row(result), []).append(release)
    names = [case.name for case in CASES]
    lines = [
        f"| {' | '.join(line)} | {', '.join(named)} |\n"
        for line, named in sorted(releases.items(), key=lambda item: names.index(item[0][0]))
    ]
    return HEAD + TABLE_HEAD + "".join(lines)


def rows_of(text: str, release: str) -> list[Row]:
    """What the page says about a release."""
    cells = [line.strip("| ").split(" | ") for line in text.partition(TABLE_HEAD)[2].splitlines()]
    return [(a, b, c, d) for a, b, c, d, named in cells if release in named.split(", ")]


def main() -> None:
    """Asks every release and prints the page."""
    answers = {}
    for release in known_releases():
        with EmbeddedStack(kafka_release=release) as stack:
            answers[release] = ask(stack, "scratch")
    print(page(answers), end="")


if __name__ == "__main__":
    main()
