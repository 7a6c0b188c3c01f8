"""How far a compressed source is read, in stored bytes: what the reader was given out by then.

Nothing tells how much content there will be. How many of its stored bytes went into the content
before a place is known while it is read, and is what percent and time left are made of.
"""

from __future__ import annotations

import threading
from bisect import bisect_right, insort

Place = tuple[int, int]
"""Number of the piece (0 where one object is all), and a byte of its content: in their order."""


class StoredPlaces:
    """Places of the content, and the stored bytes of the piece that went into what is before them.
    Callable from any thread. Memory: 200 bytes for each place after the last that `forget` was told
    of; a reader tells one for each 256 KB of content, or more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[tuple[Place, int]] = []

    def add(self, place: Place, stored_bytes: int) -> None:
        """The content before `place` took so many."""
        with self._lock:
            insort(self._known, (place, stored_bytes))

    def before(self, place: Place) -> int | None:
        """The stored bytes of the newest place at or before this one; None: none is known in this
        piece."""
        with self._lock:
            index = bisect_right(self._known, place, key=lambda known: known[0]) - 1
            if index < 0 or self._known[index][0][0] != place[0]:
                return None
            return self._known[index][1]

    def forget(self, place: Place) -> None:
        """No place before this one will be asked for."""
        with self._lock:
            index = bisect_right(self._known, place, key=lambda known: known[0]) - 1
            del self._known[: max(0, index)]
