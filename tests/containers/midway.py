"""A load that lasts long enough to be harmed in the middle, and its judgement."""

from __future__ import annotations

from csvkafka.config.load_config import LoadConfig
from csvkafka.testing.checker.verify import Scope, judge_load
from csvkafka.testing.judging.job_view import JobView
from csvkafka.testing.stacks.engine import LOOK_SECONDS
from tests.containers.job_container import JobContainer
from tests.integration.loads import LoadPlace

ROWS = 300_000
OFTEN = {"CHECKPOINT_INTERVAL": "5000", "LEASE_SECONDS": "3", "CSVKAFKA_ENCODER": "python"}
"""With the compiled encoder such a load would be over before a fault could hit it."""


def assert_loaded(place: LoadPlace, row_count: int) -> None:
    """Every row is in the topic once, in order, with its content, for every reader."""
    verdict = judge_load(LoadConfig.from_settings(place.settings()), Scope(exclusive=True))
    assert verdict.is_clean, str(verdict)
    assert verdict.rows_found == row_count
    item = place.item()
    assert item is not None
    assert (item["status"], item["last_line"]) == ("COMPLETED", row_count)


def wait_until_midway(place: LoadPlace, job: JobContainer, rows: int = ROWS) -> None:
    """Returns when a checkpoint is stored and the load is far from its end."""
    view = JobView(place.stack, place.stored_item(), place.topic, 1)
    try:
        view.wait_for(
            lambda seen: seen.last_line() > 0 or not job.is_running,
            "a checkpoint",
            look_seconds=LOOK_SECONDS,
        )
        assert job.is_running, job.output()
        assert view.record_count() < rows * 0.9, "the load was over before the fault"
    finally:
        view.close()
