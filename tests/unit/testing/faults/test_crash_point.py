"""Crash points as text, and the steps that a worker leaves behind."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.errors import ConfigError
from csvkafka.files.sqlite_store import SqliteStore
from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.history import History, read_history
from csvkafka.testing.processes.step_log import StepLogReader, StepLogWriter
from csvkafka.testing.processes.worker import CrashingObserver, wait_for_writes


@given(
    st.builds(
        CrashPoint,
        st.sampled_from(Step),
        st.integers(1, 1000),
        st.integers(0, 10**9),
        st.sampled_from([signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM]),
    )
)
def test_the_text_of_a_crash_point_is_read_back(point: CrashPoint) -> None:
    assert CrashPoint.parse(str(point)) == point


@pytest.mark.parametrize("text", ["", "no-such-step", "batch-sent#", "batch-sent!SIGNOSUCH", "#3"])
def test_what_is_no_crash_point_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match="is no crash point"):
        CrashPoint.parse(text)


def test_a_step_tells_how_many_rows_it_has_reached(tmp_path: Path) -> None:
    writer, reader = StepLogWriter(tmp_path / "steps"), StepLogReader(tmp_path / "steps")
    writer.write(Step.SOURCE_OPENED, {"rows": 100, "in_topic": 20})
    writer.write(Step.BATCH_SENT, {"records": 5})
    writer.write(Step.BATCH_SENT, {"records": 5})
    assert [line.reached for line in reader.lines()] == [100, 125, 130]
    writer.write(Step.BATCH_ACKNOWLEDGED, {"records": 5})
    writer.write(Step.CHECKPOINT_STORED, {"rows": 125})
    assert [line.reached for line in reader.lines()][3:] == [125, 125]


def test_a_line_that_is_not_whole_yet_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "steps"
    reader = StepLogReader(path)
    assert reader.lines() == []
    line = b'{"seconds": 1.5, "step": "block-taken", "reached": 7, "rows": 7}\n'
    path.write_bytes(line + line[:20])
    assert len(reader.lines()) == 1
    path.write_bytes(line + line)
    assert [(found.step, found.facts) for found in reader.lines()] == [
        (Step.BLOCK_TAKEN, {"rows": 7})
    ] * 2


def test_the_signal_comes_at_the_occurrence_that_was_asked_for(tmp_path: Path) -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: received.append(number))
    try:
        point = CrashPoint(Step.BLOCK_TAKEN, 2, 10, signal.SIGUSR1)
        observer = CrashingObserver(StepLogWriter(tmp_path / "steps"), [point], 0)
        strikes = []
        for rows in (5, 10, 15, 20):
            observer.report(Step.BLOCK_TAKEN, rows=rows)
            observer.report(Step.BLOCK_ACKNOWLEDGED, rows=rows)
            strikes.append(len(received))
        assert strikes == [0, 0, 1, 1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_worker_does_not_stop_itself_in_the_middle_of_a_write_to_a_checkpoint_file(
    tmp_path: Path,
) -> None:
    """It would keep the file locked for everybody else."""
    store = SqliteStore(tmp_path / "checkpoints.sqlite")
    store.create()
    begun, on_disk = threading.Event(), []

    def slow(_: sqlite3.Connection) -> None:
        begun.set()
        time.sleep(0.3)  # a slow disk
        on_disk.append(time.monotonic())

    with ThreadPoolExecutor(1) as thread:
        write = thread.submit(store.write, slow)
        assert begun.wait(60)
        wait_for_writes(CheckpointPlace(path=store.path))
        assert on_disk
        write.result()
    wait_for_writes(CheckpointPlace(path=tmp_path / "none.sqlite"))
    wait_for_writes(CheckpointPlace("table"))


def test_a_history_is_written_and_read_back_in_the_order_of_its_times(tmp_path: Path) -> None:
    history = History()
    history.record("note", text="second")
    history.record("step", at_monotonic=0.0, incarnation=1)
    history.save(tmp_path / "history.jsonl")
    events = read_history(tmp_path / "history.jsonl")
    assert [event.kind for event in events] == ["step", "note"]
    assert events[1].facts == {"text": "second"}
    assert [event.facts for event in history.events("note")] == [{"text": "second"}]
