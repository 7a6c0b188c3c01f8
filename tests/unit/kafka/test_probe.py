"""A server that takes sequence numbers but does not check them is found out."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from csvkafka.errors import ConfigError
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.probe import probe_sequence_enforcement
from tests.unit.kafka.scripted_broker import ScriptedBroker, scripted_broker

OUT_OF_ORDER = 45


class Log:
    """A partition log of one-record batches; `stores(sequence, seen)` says what the server does
    with a batch: True to append it, False to pass over it, or an error code."""

    def __init__(self, broker: ScriptedBroker, stores: Callable[[int, list[int]], int]) -> None:
        self._stores = stores
        self._batches: list[bytes] = []
        self._seen: list[int] = []
        broker.answer = self._answer
        broker.bounds = lambda: (0, len(self._batches))
        broker.fetch = lambda kafka_offset: b"".join(self._batches[kafka_offset:])

    def _answer(self, _topic: str, _partition: int, records: bytes) -> int:
        (sequence,) = struct.unpack_from(">i", records, 53)
        verdict = self._stores(sequence, self._seen)
        if verdict is True:
            # The base offset is the one field that a broker writes; no checksum covers it.
            self._batches.append(struct.pack(">q", len(self._batches)) + records[8:])
            self._seen.append(sequence)
        return 0 if isinstance(verdict, bool) else verdict


def enforces(sequence: int, seen: list[int]) -> int:
    if sequence in seen:
        return False
    return True if sequence == len(seen) else OUT_OF_ORDER


def keeps_repeats(sequence: int, seen: list[int]) -> int:
    return True if sequence <= len(seen) else OUT_OF_ORDER


def keeps_gaps(sequence: int, seen: list[int]) -> int:
    return sequence not in seen


def keeps_all(_sequence: int, _seen: list[int]) -> int:
    return True


def probe(stores: Callable[[int, list[int]], int]) -> None:
    with scripted_broker() as broker:
        Log(broker, stores)
        client = KafkaClient(KafkaSettings((broker.address,)))
        try:
            client.connect()
            probe_sequence_enforcement(client, "rows")
        finally:
            client.close()


def test_a_server_that_enforces_them_passes() -> None:
    probe(enforces)


@pytest.mark.parametrize("stores", [keeps_repeats, keeps_gaps, keeps_all])
def test_f67_a_server_that_does_not_is_refused(stores: Callable[[int, list[int]], int]) -> None:
    with pytest.raises(ConfigError, match="does not enforce producer sequence numbers"):
        probe(stores)
