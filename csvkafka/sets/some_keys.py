"""Keys for a message: how many there are, and the first few."""

from __future__ import annotations

KEYS_SHOWN = 5


class SomeKeys:
    """Counts what is added and keeps the first `limit` texts, all of them if that is None."""

    __slots__ = ("_limit", "_shown", "count")

    def __init__(self, limit: int | None = KEYS_SHOWN) -> None:
        self.count = 0
        self._limit = limit
        self._shown: list[str] = []

    def add(self, text: str) -> None:
        self.count += 1
        if self._limit is None or len(self._shown) < self._limit:
            self._shown.append(text)

    def __str__(self) -> str:
        left = self.count - len(self._shown)
        more = f" and {left} more" if left else ""
        return ", ".join(self._shown) + more
