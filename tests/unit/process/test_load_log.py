"""The documented log lines, word for word."""

from __future__ import annotations

import logging

import pytest

from csvkafka.model import Step
from csvkafka.process.load_log import LoadLog


class Seen:
    def __init__(self) -> None:
        self.steps: list[Step] = []

    def report(self, step: Step, **facts: int) -> None:  # noqa: ARG002
        self.steps.append(step)


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "csvkafka")
    return caplog


def test_a_resumed_load_says_where_it_starts_and_what_it_sent(
    messages: pytest.LogCaptureFixture,
) -> None:
    log = LoadLog()
    log.report(Step.SOURCE_OPENED, rows=50_000, bytes=1, size=9, in_topic=0)
    log.report(Step.BATCH_ACKNOWLEDGED, lane=0, records=10_000)
    log.report(Step.COMPLETED, rows=60_000, sent=60_000)
    assert messages.messages == [
        "Starting from line 50000",
        "Progress: 10000 records sent (line 60000)",
        "Completed: 60000 records sent, 60000 rows",
    ]


def test_rows_found_in_the_topic_count_as_loaded(messages: pytest.LogCaptureFixture) -> None:
    LoadLog().report(Step.SOURCE_OPENED, rows=50_000, bytes=1, size=9, in_topic=7)
    assert messages.messages[0] == "Starting from line 50007"


def test_a_second_look_at_the_topic_is_no_second_start(messages: pytest.LogCaptureFixture) -> None:
    log = LoadLog()
    for _ in range(2):
        log.report(Step.SOURCE_OPENED, rows=0, bytes=0, size=9, in_topic=0)
    assert messages.messages == ["Starting from line 0"]


def test_checkpoints_in_quick_succession_share_a_line(messages: pytest.LogCaptureFixture) -> None:
    log = LoadLog()
    for rows in (10_000, 20_000, 30_000):
        log.report(Step.CHECKPOINT_STORED, rows=rows, bytes=1, sent=rows)
    assert messages.messages == ["Progress: 0 records sent (line 10000)"]


def test_every_step_goes_on_to_the_observer() -> None:
    seen = Seen()
    log = LoadLog(seen)
    steps = [Step.RUN_BEGINS, Step.LEASE_TAKEN, Step.BLOCK_TAKEN]
    for step in steps:
        log.report(step)
    assert seen.steps == steps


def test_of_a_set_and_of_a_compressed_object_the_lines_say_how_much_is_loaded(
    messages: pytest.LogCaptureFixture,
) -> None:
    seconds = [100.0]
    for more in ({"file": 1, "files": 4, "compressed": 0}, {"compressed": 1}):
        log = LoadLog(clock=lambda: seconds[0])
        log.report(Step.SOURCE_OPENED, rows=0, bytes=0, size=1_000, in_topic=0, **more)
        for number in (1, 2):
            seconds[0] += 10.0
            facts = {"rows": 10 * number, "bytes": 0, "stored_bytes": 200 * number}
            log.report(Step.BLOCK_ACKNOWLEDGED, **facts)
            log.report(Step.CHECKPOINT_STORED, **facts, sent=0)
        log.report(Step.COMPLETED, rows=50, sent=50)
    assert [line for line in messages.messages if line.startswith("Progress")] == [
        "Progress: 0 records sent (line 10), file 1 of 4, 20 %",
        "Progress: 0 records sent (line 20), file 1 of 4, 40 %, about 30 s left",
        "Progress: 0 records sent (line 50), file 4 of 4",
        "Progress: 0 records sent (line 10), 20 %",
        "Progress: 0 records sent (line 20), 40 %, about 30 s left",
        "Progress: 0 records sent (line 50)",
    ]
