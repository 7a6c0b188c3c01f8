"""Encode workers change nothing but the speed; nothing is lost when they die, or their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.integration.command_line import environment_with
from tests.integration.kafka_rows import eventually
from tests.integration.loads import LoadPlace

ROWS = 120_000
"""Some 70 blocks: far more than are read ahead."""

WORKERS = {"ENCODE_WORKERS": "2"}


def table() -> bytes:
    text = "x" * 120
    return b"id,text\n" + b"".join(b'%d,"%d,%s"\n' % (n, n, text.encode()) for n in range(ROWS))


def expected_records(place: LoadPlace) -> list[dict[str, object]]:
    source = f"s3://{place.bucket}/{place.key}"
    return [
        {
            "id": str(n),
            "text": f"{n},{'x' * 120}",
            "_source_line": n + 1,
            "_source_file": source,
        }
        for n in range(ROWS)
    ]


@pytest.fixture
def loaded_place(place: LoadPlace) -> LoadPlace:
    place.put(table())
    return place


def rows_in_topic(consumer: KafkaConsumer, place: LoadPlace) -> int:
    partition = TopicPartition(place.topic, 0)
    rows: int = consumer.end_offsets([partition])[partition]
    return rows


def children_of(pid: int) -> list[int]:
    """Its encode workers; Python's resource tracker is none."""
    children: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                children.append(child)
    return children


def has_ended(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


@contextmanager
def stopped_midway(place: LoadPlace) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A load with workers, halted by SIGSTOP when some rows are in the topic and some are not; and
    its workers. Goes on when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "csvkafka"],
        env=environment_with(place.settings(**WORKERS)),
        cwd=tempfile.gettempdir(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    consumer = KafkaConsumer(bootstrap_servers=place.stack.bootstrap_servers)
    try:
        eventually(lambda: rows_in_topic(consumer, place) > 0 or process.poll() is not None)
        process.send_signal(signal.SIGSTOP)
        assert 0 < rows_in_topic(consumer, place) < ROWS
        workers = children_of(process.pid)
        assert len(workers) == 2
        yield process, workers
        process.send_signal(signal.SIGCONT)
        process.wait(timeout=60)
    finally:
        consumer.close()
        process.kill()
        process.wait()


def test_rows_are_the_same_and_in_order(loaded_place: LoadPlace) -> None:
    result = loaded_place.load(**WORKERS)
    assert result.row_count == ROWS
    assert loaded_place.records() == expected_records(loaded_place)


@pytest.mark.fault("F19")
def test_a_killed_worker_ends_the_load_with_exit_1_and_the_next_start_goes_on(
    loaded_place: LoadPlace,
) -> None:
    with stopped_midway(loaded_place) as (process, workers):
        os.kill(workers[0], signal.SIGKILL)
    assert process.stdout is not None
    assert process.returncode == 1
    assert "EncodeWorkerError: an encode worker ended" in process.stdout.read()
    eventually(lambda: all(map(has_ended, workers)))
    item = loaded_place.item()
    assert item is not None
    stored = item["last_line"]
    assert isinstance(stored, int)
    assert 0 < stored < ROWS
    assert "lease_owner" not in item

    result = loaded_place.load(**WORKERS)
    assert 0 < result.sent_now < ROWS
    assert loaded_place.records() == expected_records(loaded_place)


@pytest.mark.fault("F19")
def test_workers_end_with_a_killed_parent_and_the_next_start_goes_on(
    loaded_place: LoadPlace,
) -> None:
    with stopped_midway(loaded_place) as (process, workers):
        assert not any(map(has_ended, workers))
        process.kill()
    assert process.returncode == -signal.SIGKILL
    eventually(lambda: all(map(has_ended, workers)))

    result = loaded_place.load(**WORKERS)
    assert 0 < result.sent_now < ROWS
    assert loaded_place.records() == expected_records(loaded_place)


def test_a_transform_is_called_in_the_workers(place: LoadPlace) -> None:
    place.put(b"name\nada\ngrace\n")
    place.load(TRANSFORM="tests.integration.transforms:shout", **WORKERS)
    assert [record["name"] for record in place.records()] == ["ADA!", "GRACE!"]
