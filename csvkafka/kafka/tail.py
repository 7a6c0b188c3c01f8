"""Reads back the end of a partition: what is really there, up to the high watermark.

Reads `read_uncommitted`, a few MiB at a time, and keeps batch headers only, so memory grows with
the number of batches (about 200 bytes each), not with their size. Every batch's checksum is
verified. The checksum does not cover the batch's Kafka offset, so it is also verified that this
follows the one before. A damaged answer is read again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from kafka.protocol.consumer import FetchRequest, IsolationLevel

from csvkafka.errors import SinkUnavailableError
from csvkafka.kafka import codes
from csvkafka.kafka.bootstrap import RETRY_SECONDS
from csvkafka.kafka.client import KafkaClient
from csvkafka.model import BatchHeader, Lane, LaneTail
from csvkafka.records.record_batch import (
    CorruptBatchError,
    Record,
    iterate_records,
    read_headers,
    whole_batches,
)

log = logging.getLogger(__name__)

FETCH_BYTES = 4 << 20
"""A fetch asks for so much; a larger batch still comes, alone."""

FETCH_WAIT_MS = 500

T = TypeVar("T")
OffsetOf = Callable[[Lane], int]


class _LogMovedError(Exception):
    """The log's bounds are not what they were when the reading began."""


class TailReader:
    """Reads one lane's partition; `log_start_offset` and `end_offset` ask for its bounds.

    Its methods raise SinkUnavailableError, if Kafka gives nothing new for `answer_timeout_ms`, and
    SinkRefusedError."""

    def __init__(
        self, client: KafkaClient, lane: Lane, log_start_offset: OffsetOf, end_offset: OffsetOf
    ) -> None:
        self._client = client
        self._lane = lane
        self._log_start_offset = log_start_offset
        self._end_offset = end_offset

    def read_tail(self, kafka_offset: int) -> LaneTail:
        """See `interfaces.Cluster.read_tail`."""

        def read(start: int, end: int) -> LaneTail:
            batches = self._batches(max(start, kafka_offset - 1), end)
            return LaneTail(start, end, [header for header, _ in batches])

        return self._within_bounds(read)

    def last_values(self, record_count: int) -> Sequence[bytes]:
        """See `interfaces.Cluster.last_values`."""

        def read(start: int, end: int) -> Sequence[bytes]:
            span = record_count
            while True:
                # Transaction markers take offsets too, so it may take a longer look back.
                first = max(start, end - span)
                values: deque[bytes] = deque(maxlen=record_count)
                for header, batch in self._batches(first, end):
                    if not header.is_control:
                        values.extend(self._values(batch))
                if len(values) == record_count or first == start:
                    return list(values)
                span *= 2

        return self._within_bounds(read)

    def read_batches(
        self, first: int, end: int
    ) -> Iterator[tuple[BatchHeader, Callable[[], list[Record]]]]:
        """The batches from the one that holds Kafka offset `first` to the one before `end`, each
        with what parses its records. Raises SinkUnavailableError too where records are deleted
        meanwhile."""
        try:
            for header, batch in self._batches(first, end):
                yield header, partial(self._records, batch)
        except _LogMovedError as error:
            raise SinkUnavailableError(f"{error} (retention); run again") from error

    def _values(self, batch: memoryview) -> list[bytes]:
        return [record.value or b"" for record in self._records(batch)]

    def _records(self, batch: memoryview) -> list[Record]:
        try:
            return list(iterate_records(batch))
        except CorruptBatchError as error:
            raise SinkUnavailableError(
                f"a batch of partition {self._lane.partition} of topic {self._lane.topic} cannot "
                f"be read, though its checksum fits: {error}"
            ) from error

    def _within_bounds(self, read: Callable[[int, int], T]) -> T:
        """Reads between the log's start and its high watermark, again if the start moves past us
        (retention, DeleteRecords)."""
        deadline = self._deadline()
        while True:
            start, end = self._log_start_offset(self._lane), self._end_offset(self._lane)
            try:
                return read(start, end)
            except _LogMovedError as error:
                if time.monotonic() >= deadline:
                    raise SinkUnavailableError(f"{error}; run again") from error
                self._client.pause(RETRY_SECONDS)

    def _batches(self, first: int, end: int) -> Iterator[tuple[BatchHeader, memoryview]]:
        """The batches from the one that holds Kafka offset `first` to the one before `end`."""
        deadline = self._deadline()
        position = first
        gap_seen: tuple[int, int] | None = None
        while position < end:
            begun_at = position
            try:
                for batch in whole_batches(self._fetch(position)):
                    (header,) = read_headers(batch)
                    base, last = header.base_kafka_offset, header.last_kafka_offset
                    if position >= end:
                        return  # what comes after it need not follow
                    if base > position and gap_seen != (position, base):
                        gap_seen = (position, base)
                        raise CorruptBatchError(f"there is nothing before Kafka offset {base}")
                    if last >= position and base < end:
                        position = last + 1
                        yield header, batch
            except CorruptBatchError as error:
                log.warning(
                    "Partition %d of topic %s came damaged after Kafka offset %d (%s); it is read "
                    "again",
                    self._lane.partition,
                    self._lane.topic,
                    position,
                    error,
                )
            if position > begun_at:
                deadline = self._deadline()
                continue
            if time.monotonic() >= deadline:
                raise SinkUnavailableError(
                    f"partition {self._lane.partition} of topic {self._lane.topic} gives no intact "
                    f"batch at Kafka offset {position}, before its end at {end}; run again"
                )
            self._client.pause(RETRY_SECONDS)

    def _fetch(self, kafka_offset: int) -> bytes:
        def make_request(topic_uuid: UUID | None) -> Any:
            topic = FetchRequest.FetchTopic
            partition = topic.FetchPartition(
                partition=self._lane.partition,
                fetch_offset=kafka_offset,
                partition_max_bytes=FETCH_BYTES,
            )
            return FetchRequest(
                max_wait_ms=FETCH_WAIT_MS,
                min_bytes=1,
                max_bytes=FETCH_BYTES,
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                session_epoch=-1,  # no fetch session
                topics=[topic(topic=self._lane.topic, topic_id=topic_uuid, partitions=[partition])],
                forgotten_topics_data=[],
                min_version=4,  # the first with record batch v2
            )

        answer = self._client.call_leader(
            self._lane,
            make_request,
            _only_partition,
            "READ",
            expected=(codes.OFFSET_OUT_OF_RANGE,),
        )
        if answer.error_code == codes.OFFSET_OUT_OF_RANGE:
            raise _LogMovedError(
                f"Kafka offset {kafka_offset} of partition {self._lane.partition} of topic "
                f"{self._lane.topic} went out of the log while it was read"
            )
        return answer.records or b""

    def _deadline(self) -> float:
        return time.monotonic() + self._client.settings.answer_timeout_ms / 1000


def _only_partition(response: Any) -> Any:
    """The partition's answer; the response itself (it has an `error_code` too) if it is empty."""
    return response.responses[0].partitions[0] if response.responses else response
