"""How far a load is: numbers from its steps."""

from __future__ import annotations

import pytest

from csvkafka.model import Step
from csvkafka.process.load_progress import LoadProgress


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(
    progress: LoadProgress, rows: int = 0, source_bytes: int = 0, compressed: int = 0
) -> None:
    facts = {"rows": rows, "bytes": source_bytes, "size": 1000, "in_topic": 0}
    progress.report(Step.SOURCE_OPENED, **facts, compressed=compressed)


def test_rate_and_time_left_are_those_of_the_last_seconds() -> None:
    clock = Seconds()
    progress = LoadProgress(clock=clock)
    opened(progress)
    assert progress.look() == (None, None)
    for second in range(1, 11):
        clock.now += 1
        # Slow at first, then 10 rows and 100 bytes a second.
        rows = 0 if second <= 4 else 10 * (second - 4)
        progress.report(Step.BLOCK_ACKNOWLEDGED, rows=rows, bytes=10 * rows)
        rate, left = progress.look()
    assert progress.rows == 60
    assert progress.fraction == pytest.approx(0.6)
    assert rate == pytest.approx(10)
    assert left == pytest.approx(4)


def test_a_resume_counts_only_what_it_does_itself() -> None:
    clock = Seconds()
    progress = LoadProgress(clock=clock)
    opened(progress, rows=500, source_bytes=500)
    progress.look()
    clock.now += 2
    progress.report(Step.BLOCK_ACKNOWLEDGED, rows=600, bytes=600)
    rate, left = progress.look()
    assert rate == pytest.approx(50)
    assert left == pytest.approx(8)


def test_of_a_compressed_source_the_stored_bytes_tell_how_much_is_left() -> None:
    clock = Seconds()
    progress = LoadProgress(clock=clock)
    opened(progress, source_bytes=900, compressed=1)
    assert (progress.fraction, progress.look()) == (None, (None, None))
    for second in (1, 2):
        clock.now += 1
        stored = 100 * second
        progress.report(
            Step.BLOCK_ACKNOWLEDGED, rows=10 * second, bytes=9 * stored, stored_bytes=stored
        )
        rate, left = progress.look()
    assert progress.fraction == pytest.approx(0.2)
    assert (rate, left) == (pytest.approx(10), pytest.approx(8))


def test_of_a_compressed_source_nothing_is_told_before_its_stored_bytes_are_known() -> None:
    clock = Seconds()
    progress = LoadProgress(clock=clock)
    opened(progress, compressed=1)
    progress.look()
    clock.now += 1
    progress.report(Step.BLOCK_ACKNOWLEDGED, rows=10, bytes=900)
    assert progress.fraction is None
    assert progress.look() == (pytest.approx(10), None)


def test_more_bytes_than_the_object_has_are_no_percentage() -> None:
    progress = LoadProgress()
    opened(progress)
    progress.report(Step.BLOCK_ACKNOWLEDGED, rows=10, bytes=5000)
    assert progress.fraction is None


def test_phases_follow_the_steps() -> None:
    progress = LoadProgress()
    phases = []
    for step in (Step.RUN_BEGINS, Step.LEASE_WAITED, Step.TAIL_SCAN_BEGINS):
        progress.report(step)
        phases.append(progress.phase)
    opened(progress)
    phases.append(progress.phase)
    progress.report(Step.SENDING_PAUSED)
    phases.append(progress.phase)
    progress.report(Step.BLOCK_ACKNOWLEDGED, rows=1, bytes=1)
    phases.append(progress.phase)
    assert phases == [
        "connecting",
        "waiting for the worker that owns the job",
        "reading the end of the topic",
        "loading",
        "paused until the checkpoint store answers",
        "loading",
    ]
