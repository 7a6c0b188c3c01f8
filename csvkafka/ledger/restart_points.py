"""The restart points of a compressed source: found while it is read, the newest one stored.

A point is an optimisation. It is stored after the checkpoint that it comes before, by a thread of
its own, and nothing waits for it. Whatever is wrong with it (lost, damaged, of another object,
after the checkpoint) is said in a log line, and the source is read from its start.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Executor, Future, wait

from csvkafka.clock import Clock
from csvkafka.errors import CsvKafkaError
from csvkafka.interfaces import ItemChange, ItemTable, Observer
from csvkafka.ledger.point_item import NUMBER, number_of, point_item, point_of
from csvkafka.limits import POINT_SPACING_BYTES
from csvkafka.model import RestartPoint, SourceIdentity, Step

log = logging.getLogger(__name__)

STORE_SECONDS = 5.0
"""The shortest time between two stored points: a point takes up to 40 KB. How often there is a new
one depends on `POINT_SPACING_BYTES`."""

CLOSE_SECONDS = 2.0


class RestartPointKeeper:
    """Implements `interfaces.RestartPoints` over the item `table`, which is written in `store`; and
    `interfaces.Observer`, to learn of checkpoints: steps go on to `observer`.

    `begin` and `found` are for the thread that reads, `report` for the one that stores."""

    def __init__(
        self,
        table: ItemTable,
        store: Executor,
        clock: Clock,
        observer: Observer | None = None,
        *,
        spacing_bytes: int = POINT_SPACING_BYTES,
    ) -> None:
        self.spacing_bytes = spacing_bytes
        self._table = table
        self._store = store
        self._clock = clock
        self._observer = observer
        self._lock = threading.Lock()
        self._source: SourceIdentity | None = None
        self._points: list[RestartPoint] = []
        """Those that may still be needed: the newest before the checkpoint, and all after it."""
        self._stored: RestartPoint | None = None
        self._number: int | None = None
        """Of the item's last write; None as long as it was not looked at."""
        self._write: Future[None] | None = None
        self._next_write_at = clock.monotonic()

    def begin(self, source: SourceIdentity, byte_offset: int) -> RestartPoint | None:
        """See `interfaces.RestartPoints`."""
        stored = self._read(source) if byte_offset > 0 and self._number is None else None
        with self._lock:
            if source != self._source:
                self._source, self._points = source, []
            known = [*self._points, *([stored] if stored else [])]
            self._points = [p for p in known if p.content_bytes <= byte_offset]
            newest = max(self._points, key=lambda p: p.content_bytes, default=None)
            self._points = [newest] if newest else []
        if stored is not None and stored.content_bytes > byte_offset:
            log.info(
                "No restart point of %s can be used: it is at byte %d of the content, after the "
                "checkpoint (%d)",
                source.uri,
                stored.content_bytes,
                byte_offset,
            )
        return newest

    def found(self, point: RestartPoint) -> None:
        """See `interfaces.RestartPoints`."""
        with self._lock:
            self._points.append(point)

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if step is Step.CHECKPOINT_STORED:
            self._checkpoint_reached(facts["bytes"])
        if self._observer is not None:
            self._observer.report(step, **facts)

    def close(self) -> None:
        """Waits a little for a write that is on its way."""
        if self._write is not None:
            wait([self._write], CLOSE_SECONDS)

    def _checkpoint_reached(self, byte_offset: int) -> None:
        with self._lock:
            before = [p for p in self._points if p.content_bytes <= byte_offset]
            if not before or self._source is None:
                return
            newest = before[-1]
            self._points = self._points[len(before) - 1 :]
            source = self._source
        is_writing = self._write is not None and not self._write.done()
        if newest == self._stored or is_writing or self._clock.monotonic() < self._next_write_at:
            return
        self._next_write_at = self._clock.monotonic() + STORE_SECONDS
        self._write = self._store.submit(self._write_point, source, newest)

    # -- the item ------------------------------------------------------------------------------

    def _read(self, source: SourceIdentity) -> RestartPoint | None:
        try:
            item = self._table.get()
            if item is None:
                self._number = 0
                raise ValueError("none is stored")
            self._number = number_of(item)
            self._stored = point_of(item, source)
        except (CsvKafkaError, ValueError) as error:
            log.info("No restart point of %s can be used: %s", source.uri, error)
        return self._stored

    def _write_point(self, source: SourceIdentity, point: RestartPoint) -> None:
        """One conditional write. Runs in the store."""
        try:
            if self._put(source, point):
                self._stored = point
        except (CsvKafkaError, ValueError) as error:
            log.info("A restart point of %s was not stored: %s", source.uri, error)

    def _put(self, source: SourceIdentity, point: RestartPoint) -> bool:
        """False: it was refused, because another worker wrote. Its number is known from then on."""
        number = (self._number or 0) + 1
        item = point_item(source, point, number)
        if number == 1:
            refused = self._table.put_new(item)
        else:
            refused = self._table.update(ItemChange(set=item, expect={NUMBER: self._number}))
        if refused is None:
            self._number = number
        else:
            self._number = 0 if refused.item is None else number_of(refused.item)
        return refused is None
