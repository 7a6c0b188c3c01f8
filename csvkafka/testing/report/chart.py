"""A recovery run as a drawing: time on one axis, rows on the other. Pure; a template paints it.

`Story` is what a history tells; `draw` turns it into coordinates for a canvas of a given size.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from csvkafka.testing.checker.verdict import Anomaly
from csvkafka.testing.history import Event

MAX_POINTS = 600
"""Of a line; more cannot be told apart on a screen."""

COLOURS = 8
"""How many colours the incarnations take in turns."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted from `start` to `end` (seconds)."""

    name: str
    start: float
    end: float

    @property
    def label(self) -> str:
        """The name without what is in brackets."""
        return self.name.partition("(")[0].strip()


@dataclass(frozen=True, slots=True)
class StoryLife:
    """One incarnation. `end` is the history's end if it outlived that; `signals` are (seconds,
    name); `return_code` None: it outlived it."""

    number: int
    pid: int
    start: float
    end: float
    return_code: int | None
    signals: tuple[tuple[float, str], ...]

    @property
    def pauses(self) -> list[Span]:
        """From each SIGSTOP to the next SIGCONT, or to its end."""
        pauses, stopped_at = [], None
        for seconds, name in self.signals:
            if name == "SIGSTOP":
                stopped_at = seconds
            elif name == "SIGCONT" and stopped_at is not None:
                pauses.append(Span("paused", stopped_at, seconds))
                stopped_at = None
        if stopped_at is not None:
            pauses.append(Span("paused", stopped_at, self.end))
        return pauses

    @property
    def killed_at(self) -> float | None:
        """When it was killed, by the harness or by its own hand at a crash point."""
        return self.end if self.return_code == -9 else None


@dataclass(frozen=True, slots=True)
class Story:
    """A history, read. `topic` and `checkpoint` are (seconds, rows) points in time's order."""

    lives: tuple[StoryLife, ...]
    topic: tuple[tuple[float, int], ...]
    checkpoint: tuple[tuple[float, int], ...]
    faults: tuple[Span, ...]
    seconds: float

    @property
    def kills(self) -> int:
        """Incarnations that ended by SIGKILL."""
        return sum(life.killed_at is not None for life in self.lives)

    @property
    def highest(self) -> int:
        """The most rows on either line."""
        return max((rows for _, rows in (*self.topic, *self.checkpoint)), default=0)

    def rows_at(self, seconds: float) -> int:
        """Records in the topic at that time."""
        index = bisect_right(self.topic, seconds, key=lambda point: point[0])
        return self.topic[index - 1][1] if index else 0


def read_story(events: Sequence[Event]) -> Story:
    """What the events of one history tell."""
    seconds = max((event.seconds for event in events), default=0.0)
    looks = [event for event in events if event.kind == "checkpoint"]
    return Story(
        lives=tuple(_lives(events, seconds)),
        topic=tuple((e.seconds, sum(e.facts["end_offsets"].values())) for e in looks),
        checkpoint=tuple((e.seconds, int(e.facts["last_line"])) for e in looks),
        faults=tuple(_faults(events, seconds)),
        seconds=seconds,
    )


def _lives(events: Sequence[Event], seconds: float) -> Iterable[StoryLife]:
    for started in events:
        if started.kind != "incarnation-started":
            continue
        number = started.facts["incarnation"]
        own = [event for event in events if event.facts.get("incarnation") == number]
        ended = next((event for event in own if event.kind == "incarnation-ended"), None)
        signals = tuple((e.seconds, e.facts["signal"]) for e in own if e.kind == "signal-sent")
        yield StoryLife(
            number,
            started.facts["pid"],
            started.seconds,
            seconds if ended is None else ended.seconds,
            None if ended is None else ended.facts["return_code"],
            signals,
        )


def _faults(events: Sequence[Event], seconds: float) -> Iterable[Span]:
    open_faults: dict[str, float] = {}
    for event in events:
        name = str(event.facts.get("fault", ""))
        if event.kind == "fault-begins":
            open_faults.setdefault(name, event.seconds)
        elif event.kind == "fault-ends" and name in open_faults:
            yield Span(name, open_faults.pop(name), event.seconds)
    for name, start in open_faults.items():
        yield Span(name, start, seconds)


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a coordinate."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a point; `title` is its tooltip, `label` may be painted beside it."""

    x: float
    y: float
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle from `x` on; `colour` is an incarnation's, -1: none."""

    x: float
    y: float
    width: float
    title: str
    label: str = ""
    colour: int = -1


@dataclass(frozen=True, slots=True)
class Line:
    """The `d` of an SVG path."""

    path: str
    colour: int = -1


@dataclass(frozen=True, slots=True)
class Drawing:
    """Coordinates in pixels of a canvas of `width` x `height`; the plot is inside the margins."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    source_y: float | None
    topic: tuple[Line, ...]
    checkpoint: Line
    lives: tuple[Bar, ...]
    pauses: tuple[Bar, ...]
    faults: tuple[Bar, ...]
    kills: tuple[Mark, ...]
    anomalies: tuple[Mark, ...]


Scale = Callable[[float], float]
"""From seconds or rows to pixels."""

LIFE_HEIGHT = 9
_LIFE_GAP = 4
_AXIS_HEIGHT = 30


def draw(
    story: Story,
    width: int,
    height: int,
    row_count: int | None = None,
    anomalies: Sequence[Anomaly] = (),
) -> Drawing:
    """The story on a canvas of `width` x `height` and some more for each row of lifelines.

    `row_count` draws a line where the source ends."""
    lanes = _lanes(story.lives)
    left, right, top = 58.0, width - 16.0, 14.0
    bottom = height - 14.0
    life_top = bottom + _AXIS_HEIGHT
    total_height = life_top + (max(lanes.values(), default=0) + 1) * (LIFE_HEIGHT + _LIFE_GAP)
    most_rows = max(story.highest, row_count or 0, 1)
    seconds = max(story.seconds, 0.1)

    def x_of(at: float) -> float:
        return round(left + (right - left) * min(at, seconds) / seconds, 1)

    def y_of(rows: float) -> float:
        return round(bottom - (bottom - top) * min(rows / most_rows, 1.0), 1)

    def bar(span: Span, y: float, title: str, label: str = "", colour: int = -1) -> Bar:
        start = x_of(span.start)
        return Bar(start, y, max(1.5, round(x_of(span.end) - start, 1)), title, label, colour)

    lives = []
    for life in story.lives:
        y = life_top + lanes[life.number] * (LIFE_HEIGHT + _LIFE_GAP)
        title = f"incarnation {life.number}, {_end_text(life)}"
        span = Span("", life.start, life.end)
        lives.append((life, y, bar(span, y, title, str(life.number), _colour(life))))
    return Drawing(
        width=width,
        height=math.ceil(total_height),
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        x_ticks=tuple(Tick(x_of(at), f"{at:g} s") for at in _ticks(seconds, width // 90)),
        y_ticks=tuple(Tick(y_of(rows), _short(rows)) for rows in _ticks(most_rows, 5)),
        source_y=None if row_count is None else y_of(row_count),
        topic=tuple(_topic_lines(story, x_of, y_of)),
        checkpoint=Line(_checkpoint_path(story, x_of, y_of)),
        lives=tuple(found for _, _, found in lives),
        pauses=tuple(
            bar(pause, y, f"incarnation {life.number} paused")
            for life, y, _ in lives
            for pause in life.pauses
        ),
        faults=tuple(bar(fault, top, fault.name, fault.label) for fault in story.faults),
        kills=tuple(
            Mark(
                x_of(life.killed_at),
                y_of(story.rows_at(life.killed_at)),
                f"incarnation {life.number} killed at {life.killed_at:.2f} s, "
                f"{story.rows_at(life.killed_at):,} records in the topic",
            )
            for life in story.lives
            if life.killed_at is not None
        ),
        anomalies=tuple(_anomaly_marks(anomalies, right, y_of)),
    )


def _colour(life: StoryLife) -> int:
    return (life.number - 1) % COLOURS


def _end_text(life: StoryLife) -> str:
    end = f"{life.start:.2f} to {life.end:.2f} s"
    if life.return_code is None:
        return f"{end}, still alive"
    by = f"signal {-life.return_code}" if life.return_code < 0 else f"exit {life.return_code}"
    return f"{end}, {by}"


def _lanes(lives: Sequence[StoryLife]) -> dict[int, int]:
    """Which row of lifelines each incarnation is drawn in, so that none hides another."""
    lanes: dict[int, int] = {}
    free_from: list[float] = []
    for life in lives:
        lane = next((n for n, end in enumerate(free_from) if end <= life.start), len(free_from))
        if lane == len(free_from):
            free_from.append(0.0)
        free_from[lane] = life.end
        lanes[life.number] = lane
    return lanes


def _topic_lines(story: Story, x_of: Scale, y_of: Scale) -> Iterable[Line]:
    """The topic's end in pieces, each in the colour of the newest incarnation at that time."""
    starts = [life.start for life in story.lives]
    edges = [0.0, *starts[1:], story.seconds] if starts else [0.0, story.seconds]
    for number in range(len(edges) - 1):
        start, end = edges[number], edges[number + 1]
        inside = [point for point in story.topic if start <= point[0] < end]
        points = [(start, story.rows_at(start)), *inside]
        yield Line(_steps(points, end, x_of, y_of), number % COLOURS)


def _checkpoint_path(story: Story, x_of: Scale, y_of: Scale) -> str:
    """Nothing for a loader that keeps its progress elsewhere."""
    if not any(rows for _, rows in story.checkpoint):
        return ""
    return _steps(story.checkpoint, story.seconds, x_of, y_of)


def _steps(points: Sequence[tuple[float, int]], end: float, x_of: Scale, y_of: Scale) -> str:
    """An SVG path that stays on each value until the next one, and on the last until `end`."""
    if not points:
        return ""
    stride = max(1, math.ceil(len(points) / MAX_POINTS))
    chosen = [*points[::stride], points[-1]]
    path = [f"M{x_of(chosen[0][0])} {y_of(chosen[0][1])}"]
    rows_before = chosen[0][1]
    for seconds, rows in chosen[1:]:
        if rows != rows_before:
            path.append(f"H{x_of(seconds)}V{y_of(rows)}")
            rows_before = rows
    path.append(f"H{x_of(end)}")
    return "".join(path)


def _anomaly_marks(anomalies: Sequence[Anomaly], right: float, y_of: Scale) -> Iterable[Mark]:
    for anomaly in anomalies:
        for place in anomaly.places:
            rows = place.kafka_offset if place.kafka_offset is not None else place.source_line
            if rows is not None:
                yield Mark(right, y_of(rows), f"{anomaly.kind}: {place}")


def _ticks(most: float, count: int) -> list[float]:
    """About `count` round numbers from 0 to `most`."""
    raw = most / max(count, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    return [round(number * step, 9) for number in range(int(most / step + 1e-9) + 1)]


def _short(number: float) -> str:
    """`250k`, `1.5M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"
