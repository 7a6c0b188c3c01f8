"""What a real registry does while rows are loaded: it stops, its schema is deleted, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from tests.recovery.test_schemas import ROWS, TABLE, settings
from tests.registries import Apicurio, apicurio, ask

NewCase = Callable[..., RecoveryCase]


@pytest.fixture(scope="module")
def registry() -> Iterator[Apicurio]:
    with apicurio() as running:
        yield running


@pytest.fixture
def case(recovery_case: NewCase, tmp_path: Path, registry: Apicurio) -> RecoveryCase:
    """1,200 rows in Avro, in blocks of 1 KB."""
    more = settings(tmp_path, TABLE, registry.url)
    return recovery_case(ROWS, block_bytes=1_024, settings=more)


def midway(case: RecoveryCase) -> Incarnation:
    """A worker that has stopped itself in the middle."""
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=200)
    case.assert_midway()
    return worker


def schema_of(case: RecoveryCase, registry: Apicurio) -> tuple[str, int]:
    """The schema of the case's records, and its id."""
    latest = ask(f"{registry.url}/subjects/{case.topic}-value/versions/latest")
    return latest["schema"], latest["id"]


@pytest.mark.fault("F132")
def test_the_subject_holds_schemas_of_another_type(case: RecoveryCase, registry: Apicurio) -> None:
    registry.register(
        f"{case.topic}-value", '{"type":"object","properties":{"id":{"type":"integer"}}}', "JSON"
    )
    assert "holds schemas of type JSON" in case.refused("SchemaRefused").output()
    assert case.view.record_count() == 0


@pytest.mark.fault("F133")
def test_the_schema_is_deleted_while_rows_are_sent(case: RecoveryCase, registry: Apicurio) -> None:
    worker = midway(case)
    registry.delete(f"{case.topic}-value")
    worker.resume()
    assert worker.wait() == 1, worker.output()
    case.assert_error(worker, "SchemaDeleted")
    case.refused("SchemaDeleted")


@pytest.mark.fault("F130")
@pytest.mark.fault("F131")
@pytest.mark.fault("F133")
def test_it_goes_down_in_the_middle_and_has_lost_all_when_it_is_back(
    case: RecoveryCase, registry: Apicurio
) -> None:
    worker = midway(case)
    text, schema_id = schema_of(case, registry)
    registry.stop()
    case.refused("RegistryUnavailable", settings={"JOB_ID": f"another-{case.job_id}"})
    worker.resume()
    worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=500)
    assert worker.kill() == KILLED, worker.output()
    worker = case.run()
    assert "whether the job's schemas are still there is not known" in worker.output()
    registry.start()
    case.refused("SchemaDeleted")
    registry.restore(f"{case.topic}-value", text, schema_id)
    case.run()
    case.assert_once()
