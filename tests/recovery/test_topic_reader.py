"""A topic's reader whose connection hangs: it ends in bounds, and at once when it is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from kafka import KafkaProducer

from csvkafka.config.load_config import kafka_settings
from csvkafka.errors import SinkUnavailableError
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.faults.proxy import InjectedFault, Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Hold
from tests.refusals import refusal

RECORD_BYTES = 10_000
"""An answer with records is larger than this, every other answer smaller."""

AT_ONCE_SECONDS = 1.5
"""Less than what leaving a reader waits for at most, and than any limit of a request."""


@pytest.fixture
def topic(stack: Stack, request: pytest.FixtureRequest) -> str:
    """With one record."""
    name = f"read-{abs(hash(request.node.nodeid)):x}"
    stack.create_topic(name, 1)
    with KafkaProducer(bootstrap_servers=stack.bootstrap_servers) as producer:
        producer.send(name, b"x" * RECORD_BYTES, partition=0).get(30)
    return name


@pytest.fixture
def settings(stack: Stack, kafka_proxy: Proxy) -> KafkaSettings:
    through = {**stack.environment(), "KAFKA_BOOTSTRAP_SERVERS": kafka_proxy.address}
    return replace(kafka_settings(through), request_timeout_ms=1_000, answer_timeout_ms=4_000)


@pytest.fixture
def held(kafka_proxy: Proxy) -> Iterator[Callable[[], InjectedFault]]:
    """Lets answers with records hang."""
    faults: list[InjectedFault] = []

    def inject() -> InjectedFault:
        faults.append(kafka_proxy.inject(Hold(Direction.TO_CLIENT, RECORD_BYTES // 2)))
        return faults[-1]

    yield inject
    for fault in faults:
        fault.lift()


def readers_alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "csvkafka-topic" in thread.name]


def take(reader: TopicReader) -> None:
    with suppress(Exception):  # whatever it is told when the reader is left
        next(reader.read(0))


def lift_when_it_hung_twice(hanging: InjectedFault) -> None:
    hanging.wait_for_effect(2)
    hanging.lift()


def test_a_reader_that_is_left_while_it_reads_ends_at_once(
    settings: KafkaSettings, topic: str, held: Callable[[], InjectedFault]
) -> None:
    settings = replace(settings, request_timeout_ms=60_000, answer_timeout_ms=60_000)
    with TopicReader(settings, topic) as reader:
        hanging = held()
        taker = threading.Thread(target=take, args=[reader], daemon=True)
        taker.start()
        hanging.wait_for_effect()
        assert readers_alive()
        begin = time.monotonic()
    assert time.monotonic() - begin < AT_ONCE_SECONDS
    assert wait_until(lambda: not readers_alive(), AT_ONCE_SECONDS), "nothing of it stays behind"


def test_a_reader_that_nobody_read_ends_at_once(settings: KafkaSettings, topic: str) -> None:
    with TopicReader(settings, topic):
        begin = time.monotonic()
    assert time.monotonic() - begin < AT_ONCE_SECONDS
    assert wait_until(lambda: not readers_alive(), AT_ONCE_SECONDS)


@pytest.mark.fault("F142")
def test_of_two_readers_the_one_that_hangs_ends_in_bounds(
    settings: KafkaSettings, topic: str, stack: Stack, held: Callable[[], InjectedFault]
) -> None:
    """As where letters are read beside the records of a replay."""
    direct = kafka_settings(stack.environment())
    with TopicReader(settings, topic) as hanging, TopicReader(direct, topic) as other:
        held()
        begin = time.monotonic()
        with refusal(SinkUnavailableError, "no answer within 4 s"):
            list(hanging.read(0))
        assert time.monotonic() - begin < 15
        assert [len(record.value or b"") for record in other.read(0)] == [RECORD_BYTES]


@pytest.mark.fault("F142")
def test_a_reader_that_hung_for_a_while_goes_on(
    settings: KafkaSettings, topic: str, held: Callable[[], InjectedFault]
) -> None:
    with TopicReader(settings, topic) as reader:
        hanging = held()
        lifter = threading.Thread(target=lift_when_it_hung_twice, args=[hanging], daemon=True)
        lifter.start()
        assert [len(record.value or b"") for record in reader.read(0)] == [RECORD_BYTES]
        lifter.join(5)
        assert hanging.times == 2, "it asked again while the first answer hung"
