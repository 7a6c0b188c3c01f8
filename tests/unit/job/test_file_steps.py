"""The steps of a file's job, told as those of its set."""

from __future__ import annotations

from csvkafka.job.file_steps import FileSteps
from csvkafka.ledger.file_marks import Loaded
from csvkafka.model import Step


class Told:
    def __init__(self) -> None:
        self.steps: list[tuple[Step, dict[str, int]]] = []

    def report(self, step: Step, **facts: int) -> None:
        self.steps.append((step, facts))


def test_where_a_file_failed_counts_its_own_rows_and_is_forgotten_with_the_next_file() -> None:
    told = Told()
    steps = FileSteps(told, files=3, stored_bytes=300)
    steps.begin(2, 100, Loaded(40, 40, 100))
    assert steps.failed_after is None
    steps.report(Step.SOURCE_FAILED, rows=5, uncounted=2)
    assert steps.failed_after is None, "the topic holds more of the file than these"
    steps.report(Step.SOURCE_FAILED, rows=7, uncounted=0)
    assert steps.failed_after == 7
    assert told.steps[1:] == [(Step.SOURCE_FAILED, {"rows": 47, "uncounted": 0})]
    steps.begin(3, 100, Loaded(40, 40, 100))
    assert steps.failed_after is None
