"""What happened when: the events of a recovery run, one after the other, as JSON lines.

Events carry the seconds since the history began. Their names and facts:

    incarnation-started   incarnation, pid, command
    incarnation-ended     incarnation, return_code
    signal-sent           incarnation, signal
    step                  incarnation, step, reached and the step's facts
    fault-begins, fault-ends   fault
    checkpoint            last_line, status, end_offsets (partition -> Kafka offset)
    note                  text
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, `seconds` after the history began."""

    seconds: float
    kind: str
    facts: dict[str, Any]


class History:
    """Gathers events; callable from any thread. Memory: about 300 bytes for each event."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        """`events` are those of a history that was saved."""
        self._began_at = time.monotonic()
        self._lock = threading.Lock()
        self._events = list(events)

    def record(self, kind: str, *, at_monotonic: float | None = None, **facts: Any) -> None:
        """Notes an event that happens now, or happened at that time of the monotonic clock."""
        now = time.monotonic() if at_monotonic is None else at_monotonic
        with self._lock:
            self._events.append(Event(now - self._began_at, kind, facts))

    def events(self, kind: str | None = None) -> list[Event]:
        """The events so far (of one kind) in the order of their times."""
        with self._lock:
            chosen = [event for event in self._events if kind in (None, event.kind)]
        return sorted(chosen, key=lambda event: event.seconds)

    def lines(self) -> Iterator[str]:
        """The events as JSON, one a line."""
        for event in self.events():
            yield json.dumps(
                {"seconds": round(event.seconds, 6), "event": event.kind} | event.facts
            )

    def save(self, path: Path) -> None:
        """Writes the JSON lines."""
        path.write_text("".join(line + "\n" for line in self.lines()), encoding="utf-8")


def parse_history(lines: Iterable[str]) -> list[Event]:
    """The events of `History.lines`."""
    events = []
    for line in lines:
        facts = json.loads(line)
        events.append(Event(facts.pop("seconds"), facts.pop("event"), facts))
    return events


def read_history(path: Path) -> list[Event]:
    """The events that `History.save` wrote."""
    return parse_history(path.read_text(encoding="utf-8").splitlines())
