"""`python -m csvkafka.testing.report HISTORY.jsonl PAGE.html`: the page of a saved history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from csvkafka.testing.history import Event, History, read_history
from csvkafka.testing.report.report import verdict_page, write_page


def main() -> None:
    """`python -m csvkafka.testing.report.report HISTORY.jsonl PAGE.html`."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m csvkafka.testing.report.report HISTORY.jsonl PAGE.html")
    history = _Saved(read_history(Path(sys.argv[1])))
    write_page(Path(sys.argv[2]), verdict_page("A run", sys.argv[1], history, 0, {}))


class _Saved(History):
    """A history that was read."""

    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__()
        self._events = list(events)


if __name__ == "__main__":
    main()
