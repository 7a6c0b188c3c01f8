"""The log of a worker's steps, as others read it while it grows."""

from __future__ import annotations

from pathlib import Path

from csvkafka.model import Step
from csvkafka.testing.processes.step_log import StepCount, StepLogReader, StepLogWriter


def test_what_is_written_is_read_line_by_line(tmp_path: Path) -> None:
    writer, reader = StepLogWriter(tmp_path / "steps"), StepLogReader(tmp_path / "steps")
    assert reader.lines() == []
    first = writer.write(Step.BATCH_SENT, {"records": 7})
    assert reader.lines() == [first]
    second = writer.write(Step.BATCH_SENT, {"records": 5})
    assert reader.lines() == [first, second]
    assert [line.reached for line in (first, second)] == [7, 12]


def test_steps_are_counted_over_all_logs_as_they_grow(tmp_path: Path) -> None:
    count = StepCount(tmp_path, (Step.CHECKPOINT_STORED, Step.COMPLETED))
    assert count.so_far() == 0
    writer = StepLogWriter(tmp_path / "steps-1")
    writer.write(Step.CHECKPOINT_BEGINS, {})
    writer.write(Step.CHECKPOINT_STORED, {"rows": 10})
    assert count.so_far() == 1
    writer.write(Step.CHECKPOINT_STORED, {"rows": 20})
    StepLogWriter(tmp_path / "steps-2").write(Step.COMPLETED, {"rows": 30})
    assert count.so_far() == 3
    assert count.so_far() == 3


def test_a_line_that_is_not_whole_yet_is_counted_once_it_is(tmp_path: Path) -> None:
    count = StepCount(tmp_path, (Step.COMPLETED,))
    StepLogWriter(tmp_path / "whole").write(Step.COMPLETED, {"rows": 30})
    line = (tmp_path / "whole").read_bytes()
    with (tmp_path / "steps-1").open("ab", buffering=0) as file:
        file.write(line[:-5])
        assert count.so_far() == 0
        file.write(line[-5:])
    assert count.so_far() == 1
