"""Streams a topic's records as a consumer sees them, in either isolation level, in bounded memory.

    with TopicReader(settings, "rows", Isolation.READ_COMMITTED) as reader:
        verdict = check(source_rows, reader.records())

Each partition is read from its first record to the end that it had when the reading began. The
batches are not parsed by the code that wrote them (see `batch_records`). While the records of one
batch are compared, a thread gets the partition's next batch ready. Memory: one fetch
(`FETCH_BYTES`) and two parsed batches for each partition.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kafka.errors import CorruptRecordError, UnsupportedCodecError
from kafka.protocol.consumer import FetchRequest, IsolationLevel, ListOffsetsRequest, OffsetSpec
from kafka.record.memory_records import MemoryRecords

from csvkafka.errors import ConfigError, SinkUnavailableError
from csvkafka.kafka import codes
from csvkafka.kafka.bootstrap import RETRY_SECONDS
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.model import Lane
from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.testing.checker.batch_records import records_of, whole_batches
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.records_ahead import RecordsAhead

log = logging.getLogger(__name__)

FETCH_BYTES = 4 << 20
"""What one fetch asks for; of many partitions each asks for less, but at least `LEAST_BYTES`."""

LEAST_BYTES = 1 << 20
_ALL_FETCHES_BYTES = 64 << 20
_FETCH_WAIT_MS = 500
_CLOSE_SECONDS = 2


class Isolation(StrEnum):
    """Which records a reader sees, by Kafka's names."""

    READ_UNCOMMITTED = "read_uncommitted"
    READ_COMMITTED = "read_committed"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of a partition is read: Kafka offsets from `start` to before `end`. `undecided` counts
    the offsets after that which a read_committed reader must wait for (open transactions)."""

    start: int
    end: int
    undecided: int = 0


class _ClosedError(Exception):
    """Nobody waits for the answer any more."""


class TopicReader:
    """Reads one topic; a context manager, for one thread. With a `producer_id` it remembers which
    records are of other ones.

    Raises SinkUnavailableError, SinkRefusedError; ConfigError if there is no such topic."""

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        isolation: Isolation = Isolation.READ_UNCOMMITTED,
        producer_id: int | None = None,
    ) -> None:
        self._client = KafkaClient(settings, self._stop_if_closed)
        self._is_closed = threading.Event()
        self._producer_id = producer_id
        self._others: dict[int, list[tuple[int, int]]] = {}
        """By partition: first and last Kafka offset of what others wrote without a break."""
        self._topic = topic
        self._isolation = (
            IsolationLevel.READ_COMMITTED
            if isolation is Isolation.READ_COMMITTED
            else IsolationLevel.READ_UNCOMMITTED
        )
        self._fetch_bytes = FETCH_BYTES
        self._thread: DaemonThreads
        """The only one that speaks to the brokers, once the reader is entered."""
        self.bounds: dict[int, Bounds] = {}
        """By partition; known once the reader is entered."""

    def __enter__(self) -> Self:
        try:
            self._client.connect()
            facts = KafkaCluster(self._client).describe_topic(self._topic)
            if facts is None:
                raise ConfigError(f"topic {self._topic} does not exist; check its name")
            for partition in range(facts.partition_count):
                self.bounds[partition] = self._bounds(Lane(self._topic, partition))
        except BaseException:
            self._client.close()
            raise
        share = _ALL_FETCHES_BYTES // max(1, len(self.bounds))
        self._fetch_bytes = max(LEAST_BYTES, min(FETCH_BYTES, share))
        self._thread = DaemonThreads(1, "csvkafka-topic")
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        closed = self._thread.submit(self._client.close)
        self._thread.shutdown()
        with suppress(TimeoutError):  # it waits for a name server, say
            closed.result(_CLOSE_SECONDS)

    def _stop_if_closed(self) -> None:
        if self._is_closed.is_set():
            raise _ClosedError

    @property
    def record_count(self) -> int:
        """How many Kafka offsets are read, of all partitions: records and transaction markers."""
        return sum(bounds.end - bounds.start for bounds in self.bounds.values())

    def is_of_another(self, partition: int, kafka_offset: int) -> bool:
        """Whether that record, which was read already, is of another producer id than ours. Asked
        in the log's order: what is before it is forgotten."""
        others = self._others.get(partition, [])
        index = bisect_right(others, kafka_offset, key=lambda other: other[0]) - 1
        if index < 0:
            return False
        is_of_another = kafka_offset <= others[index][1]
        del others[:index]
        return is_of_another

    def records(self) -> dict[int, RecordsAhead]:
        """The records of each partition in the log's order; the iterators may be taken in turns."""
        return {partition: self.read(partition) for partition in self.bounds}

    def read(self, partition: int) -> RecordsAhead:
        """The records of one partition in the log's order."""
        return RecordsAhead(self.read_batches(partition))

    def read_batches(self, partition: int) -> Iterator[Sequence[TopicRecord]]:
        """As `read`, but all records of a batch at once."""
        batches = self._read_batches(partition)
        following = self._thread.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = self._thread.submit(next, batches, None)
            yield batch

    def _read_batches(self, partition: int) -> Iterator[Sequence[TopicRecord]]:
        bounds = self.bounds[partition]
        position = bounds.start
        patience_ends = self._patience_ends()
        while position < bounds.end:
            begun_at = position
            try:
                for next_offset, records in self._fetched(Lane(self._topic, partition), position):
                    if next_offset > bounds.end or (records and records[0].kafka_offset < position):
                        records = [r for r in records if position <= r.kafka_offset < bounds.end]
                    yield records
                    position = max(position, next_offset)
            except CorruptRecordError as error:
                log.warning(
                    "Partition %d of topic %s came damaged after Kafka offset %d (%s); it is read "
                    "again",
                    partition,
                    self._topic,
                    position,
                    error,
                )
            except UnsupportedCodecError as error:
                raise ConfigError(f"topic {self._topic} cannot be read: {error}") from error
            if position > begun_at:
                patience_ends = self._patience_ends()
            elif time.monotonic() >= patience_ends:
                raise SinkUnavailableError(
                    f"partition {partition} of topic {self._topic} gives nothing at Kafka offset "
                    f"{position}, before its end at {bounds.end}; run again"
                )
            else:
                self._client.pause(RETRY_SECONDS)

    def _fetched(
        self, lane: Lane, kafka_offset: int
    ) -> Iterator[tuple[int, Sequence[TopicRecord]]]:
        """Of each batch in one fetch: the Kafka offset after it, and its records if they count.

        A batch is parsed whole before any of it is given, so that a damaged one gives nothing."""
        answer = self._fetch(lane, kafka_offset)
        aborted = _AbortedTransactions(answer.aborted_transactions or ())
        for data in whole_batches(answer.records or b""):
            batch = MemoryRecords(data).next_batch()
            if not batch.validate_crc():
                raise CorruptRecordError(f"the batch at {batch.base_offset} fails its checksum")
            if batch.magic < 2:
                old = [TopicRecord(r.offset, r.key, r.value, r.headers) for r in batch]
                yield old[-1].kafka_offset + 1, old
            else:
                if self._producer_id not in (None, batch.producer_id):
                    self._note_other(lane.partition, batch.base_offset, batch.last_offset)
                hidden = aborted.hides(batch)
                yield batch.last_offset + 1, [] if hidden else records_of(batch, data)

    def _note_other(self, partition: int, first: int, last: int) -> None:
        others = self._others.setdefault(partition, [])
        if others and others[-1][1] + 1 >= first:
            # In place: the checker asks meanwhile.
            others[-1] = (others[-1][0], max(others[-1][1], last))
        else:
            others.append((first, last))

    def _fetch(self, lane: Lane, kafka_offset: int) -> Any:
        def make_request(topic_uuid: UUID | None) -> Any:
            topic = FetchRequest.FetchTopic
            partition = topic.FetchPartition(
                partition=lane.partition,
                fetch_offset=kafka_offset,
                partition_max_bytes=self._fetch_bytes,
            )
            return FetchRequest(
                max_wait_ms=_FETCH_WAIT_MS,
                min_bytes=1,
                max_bytes=self._fetch_bytes,
                isolation_level=self._isolation,
                session_epoch=-1,  # no fetch session
                topics=[topic(topic=lane.topic, topic_id=topic_uuid, partitions=[partition])],
                forgotten_topics_data=[],
                min_version=4,  # the first with record batch v2
            )

        def only_partition(response: Any) -> Any:
            return response.responses[0].partitions[0] if response.responses else response

        answer = self._client.call_leader(
            lane, make_request, only_partition, "READ", expected=(codes.OFFSET_OUT_OF_RANGE,)
        )
        if answer.error_code == codes.OFFSET_OUT_OF_RANGE:
            raise SinkUnavailableError(
                f"Kafka offset {kafka_offset} of partition {lane.partition} of topic {lane.topic} "
                "went out of the log while it was read (retention): run again"
            )
        return answer

    def _bounds(self, lane: Lane) -> Bounds:
        latest = OffsetSpec.LATEST
        start = self._list_offset(lane, OffsetSpec.EARLIEST, IsolationLevel.READ_UNCOMMITTED)
        end = self._list_offset(lane, latest, self._isolation)
        high_watermark = self._list_offset(lane, latest, IsolationLevel.READ_UNCOMMITTED)
        committed = self._isolation == IsolationLevel.READ_COMMITTED
        return Bounds(start, end, high_watermark - end if committed else 0)

    def _list_offset(self, lane: Lane, which: OffsetSpec, isolation: IsolationLevel) -> int:
        def make_request(_: UUID | None) -> Any:
            topic = ListOffsetsRequest.ListOffsetsTopic
            partition = topic.ListOffsetsPartition(
                partition_index=lane.partition, timestamp=int(which)
            )
            return ListOffsetsRequest(
                isolation_level=isolation,
                topics=[topic(name=lane.topic, partitions=[partition])],
                timeout_ms=self._client.settings.request_timeout_ms // 2,
                min_version=2,  # the first that knows isolation levels
            )

        answer = self._client.call_leader(
            lane, make_request, lambda response: response.topics[0].partitions[0], "DESCRIBE"
        )
        return int(answer.offset)

    def _patience_ends(self) -> float:
        return time.monotonic() + self._client.settings.answer_timeout_ms / 1000


class _AbortedTransactions:
    """Which batches of one fetch are hidden. The broker names the aborted transactions that overlap
    with it to read_committed readers only, so for others nothing is hidden but markers."""

    def __init__(self, transactions: Any) -> None:
        by_start = sorted(transactions, key=lambda transaction: transaction.first_offset)
        self._to_come = deque(by_start)
        self._producers: set[int] = set()

    def hides(self, batch: Any) -> bool:
        """The batch is a marker, or belongs to an aborted transaction. Asked in the log's order."""
        while self._to_come and self._to_come[0].first_offset <= batch.last_offset:
            self._producers.add(self._to_come.popleft().producer_id)
        if batch.is_control_batch:
            if next(batch).abort:
                self._producers.discard(batch.producer_id)
            return True
        return batch.is_transactional and batch.producer_id in self._producers
