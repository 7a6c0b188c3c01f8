"""The restart points of a compressed source: found while it is read, the newest one stored. Of a
set, each belongs to its piece: one of another piece than the checkpoint's is of no use.

A point is an optimisation. It is stored after the checkpoint that it comes before, by a thread of
its own, and nothing waits for it. Whatever is wrong with it (lost, damaged, of another object,
after the checkpoint) is said in a log line, and the source is read from its start.
"""

from __future__ import annotations

import logging
import threading
from bisect import insort
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

from csvkafka.clock import Clock
from csvkafka.errors import CsvKafkaError
from csvkafka.interfaces import ItemChange, ItemTable, Observer
from csvkafka.ledger.point_item import NUMBER, number_of, point_item, point_of
from csvkafka.ledger.stored_places import Place, StoredPlaces
from csvkafka.limits import POINT_SPACING_BYTES
from csvkafka.model import RestartPoint, SourceIdentity, Step

log = logging.getLogger(__name__)

STORE_SECONDS = 5.0
"""The shortest time between two stored points: a point takes up to 40 KB. How often there is a new
one depends on `POINT_SPACING_BYTES`."""

CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """A point, where it is, and of which object."""

    place: Place
    source: SourceIdentity
    point: RestartPoint


def _place(kept: _Kept) -> Place:
    return kept.place


class RestartPointKeeper:
    """Keeps the points of a source in the item `table`, which is written in `store`. Implements
    `interfaces.Observer`, to learn of checkpoints: steps go on to `observer`, with the fact
    `stored_bytes`, where it is known: of a compressed source, what went into the rows before.

    `of_piece` is for any thread, `report` for the one that stores."""

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
        self.places = StoredPlaces()
        self._points: list[_Kept] = []
        """Those that may still be needed: the newest before the checkpoint, and all after it."""
        self._stored: _Kept | None = None
        self._number: int | None = None
        """Of the item's last write; None as long as it was not looked at."""
        self._write: Future[None] | None = None
        self._next_write_at = clock.monotonic()

    def of_piece(self, number: int = 0) -> PiecePoints:
        """Where reading of one piece of a set may begin; of one object that is all, it is 0."""
        return PiecePoints(self, number)

    def newest(self, source: SourceIdentity, place: Place) -> RestartPoint | None:
        """The newest point of `source` at or before the place. Reads the item when it is first
        asked for one beyond the beginning."""
        number, byte_offset = place
        stored = self._read(source, number) if byte_offset > 0 and self._number is None else None
        if stored is not None:
            self.keep(stored)
            if stored.place > place:
                log.info(
                    "No restart point of %s can be used: it is at byte %d of the content, after "
                    "the checkpoint (%d)",
                    source.uri,
                    stored.point.content_bytes,
                    byte_offset,
                )
        with self._lock:
            before = [p for p in self._points if p.place <= place]
        fits = bool(before) and before[-1].place[0] == number and before[-1].source == source
        return before[-1].point if fits else None

    def keep(self, found: _Kept) -> None:
        """Takes a point, unless it is known: what lies before a checkpoint may be read again."""
        with self._lock:
            known = [p for p in self._points if p.place == found.place]
            if not known or known[0].source != found.source:
                insort(self._points, found, key=_place)

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if "byte_offset" in facts:
            place = facts["piece"], facts["byte_offset"]
            stored_bytes = self.places.before(place)
            if stored_bytes is not None:
                facts["stored_bytes"] = facts["bytes_before"] + stored_bytes
            if step is Step.CHECKPOINT_STORED:
                self.places.forget(place)
                self._checkpoint_reached(place)
        if self._observer is not None:
            self._observer.report(step, **facts)

    def close(self) -> None:
        """Waits a little for a write that is on its way."""
        if self._write is not None:
            wait([self._write], CLOSE_SECONDS)

    def _checkpoint_reached(self, place: Place) -> None:
        with self._lock:
            before = [p for p in self._points if p.place <= place]
            if not before:
                return
            newest = before[-1]
            is_of_use = newest.place[0] == place[0]
            self._points = self._points[len(before) - is_of_use :]
        is_writing = self._write is not None and not self._write.done()
        is_due = self._clock.monotonic() >= self._next_write_at and not is_writing
        if is_of_use and is_due and newest != self._stored:
            self._next_write_at = self._clock.monotonic() + STORE_SECONDS
            self._write = self._store.submit(self._write_point, newest)

    # -- the item ------------------------------------------------------------------------------

    def _read(self, source: SourceIdentity, number: int) -> _Kept | None:
        try:
            item = self._table.get()
            if item is None:
                self._number = 0
                raise ValueError("none is stored")
            self._number = number_of(item)
            point = point_of(item, source)
            self._stored = _Kept((number, point.content_bytes), source, point)
        except (CsvKafkaError, ValueError) as error:
            log.info("No restart point of %s can be used: %s", source.uri, error)
        return self._stored

    def _write_point(self, kept: _Kept) -> None:
        """One conditional write. Runs in the store."""
        try:
            if self._put(kept):
                self._stored = kept
        except (CsvKafkaError, ValueError) as error:
            log.info("A restart point of %s was not stored: %s", kept.source.uri, error)

    def _put(self, kept: _Kept) -> bool:
        """False: it was refused, because another worker wrote. Its number is known from then on."""
        number = (self._number or 0) + 1
        item = point_item(kept.source, kept.point, number)
        if number == 1:
            refused = self._table.put_new(item)
        else:
            refused = self._table.update(ItemChange(set=item, expect={NUMBER: self._number}))
        if refused is None:
            self._number = number
        else:
            self._number = 0 if refused.item is None else number_of(refused.item)
        return refused is None


class PiecePoints:
    """Implements `interfaces.RestartPoints` for one piece. For one thread at a time."""

    def __init__(self, keeper: RestartPointKeeper, number: int) -> None:
        self.spacing_bytes = keeper.spacing_bytes
        self._keeper = keeper
        self._number = number
        self._source: SourceIdentity | None = None

    def begin(self, source: SourceIdentity, byte_offset: int) -> RestartPoint | None:
        """See `interfaces.RestartPoints`."""
        self._source = source
        return self._keeper.newest(source, (self._number, byte_offset))

    def found(self, point: RestartPoint) -> None:
        """See `interfaces.RestartPoints`."""
        assert self._source is not None
        self._keeper.keep(_Kept((self._number, point.content_bytes), self._source, point))

    def read_to(self, content_bytes: int, stored_bytes: int) -> None:
        """See `interfaces.RestartPoints`."""
        self._keeper.places.add((self._number, content_bytes), stored_bytes)
