"""The HTML report: a history is drawn where it belongs, and the page needs no network."""

from __future__ import annotations

import re

import pytest

from csvkafka.testing.checker.verdict import Anomaly, AnomalyKind, Place, Verdict
from csvkafka.testing.history import Event, History
from csvkafka.testing.report.chart import draw, read_story
from csvkafka.testing.report.report import Page, Run, render, runs_page, verdict_page


def looked(seconds: float, last_line: int, end: int) -> Event:
    facts = {"last_line": last_line, "end_offsets": {"0": end}}
    return Event(seconds, "checkpoint", facts)


EVENTS = [
    Event(0.0, "incarnation-started", {"incarnation": 1, "pid": 11, "command": []}),
    looked(1.0, 0, 100),
    looked(2.0, 100, 400),
    Event(3.0, "signal-sent", {"incarnation": 1, "signal": "SIGKILL"}),
    Event(3.0, "incarnation-ended", {"incarnation": 1, "return_code": -9}),
    Event(4.0, "incarnation-started", {"incarnation": 2, "pid": 12, "command": []}),
    Event(5.0, "fault-begins", {"fault": "Hold(1 kB)"}),
    Event(5.0, "signal-sent", {"incarnation": 2, "signal": "SIGSTOP"}),
    Event(6.0, "incarnation-started", {"incarnation": 3, "pid": 13, "command": []}),
    Event(7.0, "signal-sent", {"incarnation": 2, "signal": "SIGCONT"}),
    Event(7.0, "fault-ends", {"fault": "Hold(1 kB)"}),
    looked(8.0, 400, 1000),
    Event(9.0, "incarnation-ended", {"incarnation": 2, "return_code": 1}),
    Event(10.0, "incarnation-ended", {"incarnation": 3, "return_code": 0}),
]


class Told(History):
    def __init__(self, events: list[Event]) -> None:
        super().__init__()
        self._events = events


def test_a_story_knows_lives_kills_pauses_and_faults() -> None:
    story = read_story(EVENTS)
    assert [(life.start, life.end, life.return_code) for life in story.lives] == [
        (0.0, 3.0, -9),
        (4.0, 9.0, 1),
        (6.0, 10.0, 0),
    ]
    assert story.kills == 1
    assert [(pause.start, pause.end) for pause in story.lives[1].pauses] == [(5.0, 7.0)]
    assert [(fault.name, fault.start, fault.end) for fault in story.faults] == [
        ("Hold(1 kB)", 5.0, 7.0)
    ]
    assert [story.rows_at(seconds) for seconds in (0.5, 1.0, 3.0, 9.0)] == [0, 100, 400, 1000]


def test_coordinates_are_those_of_time_and_rows() -> None:
    drawing = draw(read_story(EVENTS), 1000, 400, row_count=1000)
    width, height = drawing.right - drawing.left, drawing.bottom - drawing.top
    (kill,) = drawing.kills
    assert kill.x == pytest.approx(drawing.left + 0.3 * width, abs=0.1)
    assert kill.y == pytest.approx(drawing.bottom - 0.4 * height, abs=0.1)
    assert drawing.source_y == drawing.top
    assert [bar.colour for bar in drawing.lives] == [0, 1, 2]
    # The second and the third overlap in time, so they lie one below the other.
    assert drawing.lives[0].y == drawing.lives[1].y < drawing.lives[2].y
    assert drawing.pauses[0].x == pytest.approx(drawing.left + 0.5 * width, abs=0.1)
    assert [line.colour for line in drawing.topic] == [0, 1, 2]
    assert drawing.topic[0].path.startswith(f"M{drawing.left} ")
    assert drawing.checkpoint.path
    (fault,) = drawing.faults
    assert (fault.label, fault.title) == ("Hold", "Hold(1 kB)")
    assert fault.width == pytest.approx(0.2 * width, abs=0.1)


def test_a_loader_without_an_item_has_no_checkpoint_line() -> None:
    drawing = draw(read_story([EVENTS[0], looked(1.0, 0, 10)]), 1000, 400)
    assert drawing.checkpoint.path == ""


def test_an_anomaly_is_marked_where_it_is() -> None:
    anomaly = Anomaly(AnomalyKind.LOST_ROW, 1, (Place(source_line=250),))
    drawing = draw(read_story(EVENTS), 1000, 400, 1000, [anomaly])
    (mark,) = drawing.anomalies
    height = drawing.bottom - drawing.top
    assert mark.y == pytest.approx(drawing.bottom - 0.25 * height, abs=0.1)


def a_page(anomalies: tuple[Anomaly, ...] = ()) -> Page:
    verdict = Verdict(1000, 1000, 0, 1000, anomalies)
    history = Told(EVENTS)
    return verdict_page("A <run>", "load --x '<b>'", history, 1000, {"read_committed": verdict})


def test_a_page_stands_alone_and_escapes_what_it_shows() -> None:
    html = render(a_page())
    assert not re.search(r"https?://|<script|@import|url\(|<link|<img|src=", html)
    assert "A &lt;run&gt;" in html
    assert "<b>" not in html
    assert "Clean" in html
    assert html.count("<svg class=") == 2


def test_a_page_names_anomalies_with_their_first_places() -> None:
    place = Place(0, 7, 5)
    html = render(a_page((Anomaly(AnomalyKind.DUPLICATE_ROW, 12, (place,)),)))
    assert "Not clean" in html
    assert "duplicate-row" in html
    assert "partition 0, Kafka offset 7, source line 5" in html


def test_a_session_page_shows_what_failed() -> None:
    runs = [
        Run("test_a", "passed", 1.0, Told(EVENTS), 1000),
        Run("test_b", "failed", 2.0, Told([]), None),
    ]
    page = runs_page("Recovery", "", runs)
    html = render(page)
    assert page.answer == "1 of 2 failed"
    assert html.count("<details") == 2
    assert html.count('<details class="card" open>') == 1


def test_an_empty_history_makes_a_page() -> None:
    assert "Recovery" in render(runs_page("Recovery", "", []))
