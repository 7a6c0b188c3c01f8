"""What the commands say of a load's progress: numbers from steps, and texts from numbers."""

from __future__ import annotations

import io
import sys

import pytest

from csvkafka.cli.load_view import QuietStream
from csvkafka.cli.output import bytes_text, duration_text
from csvkafka.cli.progress_facts import LoadProgress, reads_gzip
from csvkafka.model import Step
from csvkafka.process.logs import let_go_of_output


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(progress: LoadProgress, rows: int = 0, source_bytes: int = 0, size: int = 1000) -> None:
    progress.report(Step.SOURCE_OPENED, rows=rows, bytes=source_bytes, size=size, in_topic=0)


def test_rate_and_time_left_are_those_of_the_last_seconds() -> None:
    clock = Seconds()
    progress = LoadProgress(is_gzip=False, clock=clock)
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
    progress = LoadProgress(is_gzip=False, clock=clock)
    opened(progress, rows=500, source_bytes=500)
    progress.look()
    clock.now += 2
    progress.report(Step.BLOCK_ACKNOWLEDGED, rows=600, bytes=600)
    rate, left = progress.look()
    assert rate == pytest.approx(50)
    assert left == pytest.approx(8)


def test_of_gzip_nobody_knows_how_much_is_left() -> None:
    clock = Seconds()
    progress = LoadProgress(is_gzip=True, clock=clock)
    opened(progress)
    progress.look()
    clock.now += 1
    progress.report(Step.BLOCK_ACKNOWLEDGED, rows=10, bytes=900)
    assert progress.fraction is None
    assert progress.look() == (pytest.approx(10), None)


def test_more_bytes_than_the_object_has_are_no_percentage() -> None:
    progress = LoadProgress(is_gzip=False)  # gzip by its Content-Encoding
    opened(progress)
    progress.report(Step.BLOCK_ACKNOWLEDGED, rows=10, bytes=5000)
    assert progress.fraction is None


def test_phases_follow_the_steps() -> None:
    progress = LoadProgress(is_gzip=False)
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


def test_keys_that_are_read_as_gzip() -> None:
    assert reads_gzip("auto", "a/b.CSV.GZ")
    assert reads_gzip("gzip", "b.csv")
    assert not reads_gzip("auto", "b.csv")
    assert not reads_gzip("none", "b.csv.gz")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1_234_567, "1.23 MB"),
     (999_700, "1 MB"), (67_400_000, "67.4 MB"), (5e12, "5 TB")],
)  # fmt: skip
def test_bytes_text(size: float, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (3.21, "3.2 s"), (42.4, "42 s"), (59.9, "1 min 00 s"), (98, "1 min 38 s"),
     (3599.8, "1 h 00 min"), (7500, "2 h 05 min"), (90_000, "1 d 01 h")],
)  # fmt: skip
def test_duration_text(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_quiet_stream_hides_what_goes_wrong_with_its_stream() -> None:
    quiet = QuietStream(Broken())
    assert quiet.write("text") == 4
    quiet.flush()
    working = io.StringIO()
    QuietStream(working).write("text")
    assert working.getvalue() == "text"


def test_output_without_a_file_behind_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Broken())
    monkeypatch.setattr(sys, "stderr", None)
    let_go_of_output()
