"""`python -m csvkafka.testing.report HISTORY.jsonl PAGE.html`: the page of a saved history."""

from __future__ import annotations

import sys
from pathlib import Path

from csvkafka.testing.history import History, read_history
from csvkafka.testing.report.report import verdict_page, write_page


def main() -> None:
    """`python -m csvkafka.testing.report.report HISTORY.jsonl PAGE.html`."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m csvkafka.testing.report.report HISTORY.jsonl PAGE.html")
    history = History(read_history(Path(sys.argv[1])))
    write_page(Path(sys.argv[2]), verdict_page("A run", sys.argv[1], history, 0, {}))


if __name__ == "__main__":
    main()
