"""An iterator that shows what comes next: rows are compared before they are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Holds what was looked at and not yet taken."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._held: list[T] = []
        self._taken = 0

    def peek(self, count: int) -> list[T]:
        """The next `count`, or as many as there are; they stay."""
        self._forget()
        if len(self._held) < count:
            self._held += islice(self._items, count - len(self._held))
        return self._held[:count]

    def skip(self, count: int) -> None:
        """Takes so many of what was looked at."""
        self._taken += count

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._taken < len(self._held):
            item = self._held[self._taken]
            self._taken += 1
            return item
        self._forget()
        return next(self._items)

    def _forget(self) -> None:
        del self._held[: self._taken]
        self._taken = 0
