"""The documented DEBUG line for each record that was sent: number and size, never its contents.

A sink that is put before another one where DEBUG is on; off, it is not there and costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from csvkafka.interfaces import Sink
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import Lane, OutcomeKind, ProduceOutcome, SequencedBatch
from csvkafka.records.record_batch import iterate_records, read_headers

log = logging.getLogger(__name__)

_SENT = (OutcomeKind.APPENDED, OutcomeKind.DUPLICATE)


def with_record_log(sink: Sink, lanes: Sequence[Lane]) -> Sink:
    """`sink`, with a line for each record that it gets acknowledged if DEBUG is on."""
    return RecordLog(sink, lanes) if log.isEnabledFor(logging.DEBUG) else sink


class RecordLog:
    """Logs records once they are acknowledged; holds the batches that are on their way until
    then."""

    def __init__(self, sink: Sink, lanes: Sequence[Lane]) -> None:
        self._sink = sink
        self._lanes = lanes
        self._on_their_way: dict[tuple[int, int], bytes] = {}
        self.wake = sink.wake
        self.close = sink.close

    def send(self, batches: Sequence[SequencedBatch]) -> None:
        """See `interfaces.Sink`."""
        for batch in batches:
            self._on_their_way[batch.lane, batch.ticket] = batch.data
        self._sink.send(batches)

    def poll(self, timeout_seconds: float) -> Sequence[ProduceOutcome]:
        """See `interfaces.Sink`."""
        outcomes = self._sink.poll(timeout_seconds)
        for outcome in outcomes:
            data = self._on_their_way.pop((outcome.lane, outcome.ticket), None)
            if data is not None and outcome.kind in _SENT:
                self._log(self._lanes[outcome.lane], data)
        return outcomes

    def _log(self, lane: Lane, data: bytes) -> None:
        """A record's number counts those of this job in its partition, the first is 1: with one
        partition and no dead letters, the row's line."""
        (header,) = read_headers(data, verify_checksums=False)
        for number, record in enumerate(iterate_records(data), header.base_sequence + 1):
            size = len(record.key or b"") + len(record.value or b"")
            log.debug(
                "Sent record %d of partition %d of topic %s: %d bytes",
                number % SEQUENCE_MODULUS,
                lane.partition,
                lane.topic,
                size,
            )
