"""One run of one contender on the ground, measured and counted."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks import measure
from benchmarks.ground import Ground
from benchmarks.inputs import Input
from benchmarks.measure import BenchmarkError
from benchmarks.objects import object_key
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.model import Lane

RECORD_BYTES = 400
"""As long as a record of flights.csv."""

_REPOSITORY = Path(__file__).parent.parent
_REPORTED = re.compile(r"([\d.]+) records/sec")


@dataclass(frozen=True)
class Result:
    """`seconds` is the whole process's time, from its start to its end; for the Java tool, the time
    that it reports itself, without the start of its virtual machine. `source_bytes` were read."""

    name: str
    records: int
    seconds: float
    cpu_seconds: float
    broker_cpu_seconds: float
    peak_bytes: int
    source_bytes: float = 0.0
    batches: int = 0
    first_seconds: Mapping[str, float] = field(default_factory=dict)
    first_cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    step_count: Mapping[str, int] = field(default_factory=dict)

    @property
    def records_per_second(self) -> float:
        return self.records / self.seconds


def python(module: str) -> list[str]:
    """The command that runs a module of this repository."""
    return [sys.executable, "-P", "-m", module]


def environment_of(ground: Ground, table: Input, times: int, topic: str) -> dict[str, str]:
    """What a load of the input, so many times, into the topic needs."""
    return {**_environment(ground, topic), "S3_KEY": object_key(table.stem, times)}


def _environment(ground: Ground, topic: str) -> dict[str, str]:
    """The same, without the input."""
    return {
        **ground.environment(),
        "PYTHONPATH": str(_REPOSITORY),
        "KAFKA_TOPIC": topic,
        "JOB_ID": f"bench-{uuid4().hex[:12]}",
    }


def load(
    ground: Ground,
    name: str,
    table: Input,
    times: int,
    *,
    partitions: int = 1,
    settings: Mapping[str, str] | None = None,
) -> Result:
    """csvkafka, from the start of its process to its end."""
    with ground.topic(partitions) as topic:
        environment = environment_of(ground, table, times, topic) | dict(settings or {})
        rows = table.rows * times
        return _loaded(ground, name, topic, environment, rows, rows * table.row_bytes, partitions)


def small_objects(ground: Ground, name: str, place: Mapping[str, str], rows: int) -> Result:
    """csvkafka, of the objects that `place` names by its settings."""
    with ground.topic() as topic:
        return _loaded(ground, name, topic, _environment(ground, topic) | dict(place), rows, 0, 1)


def _loaded(
    ground: Ground,
    name: str,
    topic: str,
    environment: Mapping[str, str],
    rows: int,
    source_bytes: float,
    partitions: int,
) -> Result:
    broker_before = ground.broker_cpu_seconds()
    run = measure.run(python("benchmarks.timed_load"), environment)
    broker = ground.broker_cpu_seconds() - broker_before
    facts = told(run)
    batches = ground.check_complete(topic, rows, partitions)
    return Result(
        name,
        rows,
        run.seconds,
        run.cpu_seconds,
        broker,
        run.peak_bytes,
        source_bytes,
        batches,
        facts["first"],
        facts["cpu"],
        facts["count"],
    )


def timeline(run: measure.Run) -> tuple[dict[str, float], dict[str, float]]:
    """When the load first met each step: seconds, and processor time, since its process began."""
    facts = told(run)
    return facts["first"], facts["cpu"]


def told(run: measure.Run) -> dict[str, Any]:
    """What `timed_load` printed at its end. Raises BenchmarkError with its output if it did not."""
    try:
        facts: dict[str, Any] = json.loads(run.output.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise BenchmarkError(f"the load told nothing at its end:\n{run.output[-2000:]}") from error
    return facts


def peer(ground: Ground, name: str, module: str, table: Input, times: int, rows: int) -> Result:
    """One of `benchmarks.peers`, for the first `rows` rows."""
    with ground.topic() as topic:
        environment = environment_of(ground, table, times, topic) | {"ROWS": str(rows)}
        broker_before = ground.broker_cpu_seconds()
        run = measure.run(python(module), environment)
        broker = ground.broker_cpu_seconds() - broker_before
        batches = ground.check_complete(topic, rows)
    return Result(
        name, rows, run.seconds, run.cpu_seconds, broker, run.peak_bytes,
        rows * table.row_bytes, batches,
    )  # fmt: skip


def producer_performance(
    ground: Ground,
    name: str,
    records: int,
    payload: Sequence[str],
    properties: Mapping[str, str] | None = None,
) -> Result:
    """kafka-producer-perf-test: `payload` is its options for what a record is."""
    environment = ground.environment()
    with ground.topic() as topic:
        settings = {
            "bootstrap.servers": environment["KAFKA_BOOTSTRAP_SERVERS"],
            "acks": "all",
            "compression.type": "gzip",
            **(properties or {}),
        }
        command = [
            f"{environment['JAVA_HOME']}/bin/java", "-Xmx512m",
            "-cp", environment["CLASSPATH"],
            "org.apache.kafka.tools.ProducerPerformance",
            "--topic", topic, "--num-records", str(records), "--throughput", "-1",
            *payload,
            "--producer-props", *(f"{key}={value}" for key, value in settings.items()),
        ]  # fmt: skip
        broker_before = ground.broker_cpu_seconds()
        run = measure.run(command, environment)
        broker = ground.broker_cpu_seconds() - broker_before
        batches = ground.check_complete(topic, records)
    reported = _REPORTED.findall(run.output)
    if not reported:
        raise BenchmarkError(f"kafka-producer-perf-test told no rate:\n{run.output[-2000:]}")
    seconds = records / float(reported[-1])
    return Result(name, records, seconds, run.cpu_seconds, broker, run.peak_bytes, 0.0, batches)


def kcat(
    ground: Ground, name: str, table: Input, times: int, folder: Path, codec: str = "gzip"
) -> Result:
    """`kcat -P -l`: each line of a local file as it stands, a record; no CSV, no JSON, no S3."""
    with ground.topic() as topic, _repeated(folder, table, times, has_header=False) as lines:
        return _piped(ground, name, table, times, topic, [*_kcat(ground, topic, codec), str(lines)])


def duckdb(
    ground: Ground, name: str, table: Input, times: int, folder: Path, codec: str = "gzip"
) -> Result:
    """DuckDB reads a local CSV file and writes a JSON object for each row; kcat sends the lines."""
    with ground.topic() as topic, _repeated(folder, table, times, has_header=True) as file:
        writer = shlex.join([*python("benchmarks.peers.duckdb_json"), str(file)])
        sender = shlex.join([*_kcat(ground, topic, codec), "/dev/stdin"])
        command = ["sh", "-c", f"{writer} | {sender}"]
        return _piped(ground, name, table, times, topic, command)


def _kcat(ground: Ground, topic: str, codec: str) -> list[str]:
    return [
        "kcat", "-P", "-b", ground.environment()["KAFKA_BOOTSTRAP_SERVERS"], "-t", topic,
        "-p", "0", "-z", codec, "-X", "acks=all", "-l",
    ]  # fmt: skip


def _piped(
    ground: Ground, name: str, table: Input, times: int, topic: str, command: Sequence[str]
) -> Result:
    records = table.rows * times
    broker_before = ground.broker_cpu_seconds()
    run = measure.run(command, {"PYTHONPATH": str(_REPOSITORY)})
    broker = ground.broker_cpu_seconds() - broker_before
    batches = ground.check_complete(topic, records)
    return Result(
        name, records, run.seconds, run.cpu_seconds, broker, run.peak_bytes,
        records * table.row_bytes, batches,
    )  # fmt: skip


@contextmanager
def _repeated(folder: Path, table: Input, times: int, *, has_header: bool) -> Iterator[Path]:
    """A file of the table's rows, so many times."""
    header, end, body = (folder / f"{table.stem}.csv").read_bytes().partition(b"\n")
    path = folder / f"{table.stem}-repeated"
    with path.open("wb") as file:
        file.writelines([header + end if has_header else b"", *[body] * times])
    try:
        yield path
    finally:
        path.unlink()


def verify(
    ground: Ground, name: str, table: Input, times: int, loaded: Mapping[str, str], encoder: str
) -> Result:
    """`csvkafka verify` of a job that was loaded with the environment `loaded`."""
    command = [*python("csvkafka"), "verify", "--json"]
    broker_before = ground.broker_cpu_seconds()
    run = measure.run(command, {**loaded, "CSVKAFKA_ENCODER": encoder})
    broker = ground.broker_cpu_seconds() - broker_before
    rows = table.rows * times
    return Result(
        name, rows, run.seconds, run.cpu_seconds, broker, run.peak_bytes, rows * table.row_bytes
    )


def sample_records(ground: Ground, table: Input, file: Path, count: int = 50_000) -> None:
    """Writes records as csvkafka makes them, one a line, for the Java tool to send."""
    with ground.topic() as topic:
        measure.run(python("benchmarks.timed_load"), environment_of(ground, table, 1, topic))
        client = KafkaClient(KafkaSettings((ground.stack.bootstrap_servers,)))
        try:
            client.connect()
            values = KafkaCluster(client).last_values(Lane(topic, 0), count)
        finally:
            client.close()
    file.write_bytes(b"".join(value + b"\n" for value in values))
