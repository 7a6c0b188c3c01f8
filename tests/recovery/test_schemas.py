"""Loads whose records name a schema: killed, while the registry is down, and after it lost it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from tests.integration.flights import flights_csv
from tests.recovery.test_declared import FLIGHTS
from tests.registries import SmallRegistry, apicurio, small_registry

NewCase = Callable[..., RecoveryCase]

AVRO_FLIGHTS = FLIGHTS.replace(
    'key_format = "json"', 'key_format = "avro"\nformat = "avro"\nname = "nyc.Flight"'
)


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


@pytest.fixture(scope="module")
def real_registry() -> Iterator[str]:
    with apicurio() as real:
        yield real.url


def settings(folder: Path, table: str, url: str, **more: str) -> dict[str, str]:
    (folder / "columns.toml").write_text(table)
    return {
        "CSV_COLUMNS": str(folder / "columns.toml"),
        "SCHEMA_REGISTRY_URL": url,
        "SCHEMA_REGISTRY_AUTO_REGISTER": "true",
        **more,
    }


@pytest.mark.parametrize("value_format", ["avro", "json-schema"])
def test_flights_with_their_natural_types_are_killed_again_and_again(
    recovery_case: NewCase, tmp_path: Path, seed: int, real_registry: str, value_format: str
) -> None:
    with flights_csv().open("rb") as file:
        source = b"".join(file.readline() for _ in range(20_001))
    table = AVRO_FLIGHTS.replace('\nformat = "avro"', f'\nformat = "{value_format}"')
    case = recovery_case(
        source,
        partitions=3,
        block_bytes=16_384,
        settings=settings(tmp_path, table, real_registry),
    )
    chance = random.Random(seed)
    for number in range(3):
        worker = case.start()
        worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count * number // 8)
        worker.lives_for(chance.uniform(0.0, 0.1))
        assert worker.kill() == KILLED, worker.output()
    case.assert_midway()
    case.run()
    case.assert_once()


TABLE = """
[record]
format = "avro"
null = [""]
[columns]
id = "int"
name = "string"
"""
ROWS = b"id,name\n" + b"".join(b"%d,name of %d\n" % (n, n) for n in range(1, 1201))


@pytest.fixture
def case(recovery_case: NewCase, tmp_path: Path, registry: SmallRegistry) -> RecoveryCase:
    """1,200 rows in Avro, in blocks of 1 KB."""
    more = settings(tmp_path, TABLE, registry.url)
    return recovery_case(ROWS, block_bytes=1_024, settings=more)


@pytest.mark.fault("F130")
def test_a_registry_that_is_down_at_the_start(case: RecoveryCase, registry: SmallRegistry) -> None:
    registry.down = True
    worker = case.refused("RegistryUnavailable")
    assert "the leader is not known" in worker.output()
    assert case.view.record_count() == 0
    registry.down = False
    case.run()
    case.assert_once()


@pytest.mark.fault("F131")
def test_a_registry_that_is_down_in_the_middle_and_at_a_resume(
    case: RecoveryCase, registry: SmallRegistry
) -> None:
    worker = case.start()
    worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=200)
    registry.down = True
    worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=500)
    assert worker.kill() == KILLED, worker.output()
    case.assert_midway()
    worker = case.run()
    assert "whether the job's schemas are still there is not known" in worker.output()
    registry.down = False
    case.assert_once()


@pytest.mark.fault("F132")
@pytest.mark.parametrize(
    ("schema_type", "said"),
    [("AVRO", "is incompatible with an earlier schema"), ("JSON", "holds schemas of type JSON")],
)
def test_a_subject_that_does_not_take_the_schema(
    case: RecoveryCase, registry: SmallRegistry, schema_type: str, said: str
) -> None:
    registry.register(f"{case.topic}-value", '{"type":"string"}', schema_type)
    assert said in case.refused("SchemaRefused").output()
    assert case.view.record_count() == 0


@pytest.mark.fault("F133")
def test_a_schema_that_is_deleted_while_rows_are_sent(
    case: RecoveryCase, registry: SmallRegistry
) -> None:
    worker = case.start()
    worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=200)
    kept = dict(registry.schemas)
    registry.schemas.clear()
    assert worker.wait() == 1, worker.output()
    case.assert_error(worker, "SchemaDeleted")
    # All rows are there; a start says it again, until who reads them can.
    case.refused("SchemaDeleted")
    registry.schemas.update(kept)
    case.run()
    case.assert_once()


@pytest.mark.fault("F133")
def test_a_resume_after_its_schema_was_deleted_sends_nothing(
    case: RecoveryCase, registry: SmallRegistry
) -> None:
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=300)
    kept, sent = dict(registry.schemas), case.view.record_count()
    registry.schemas = {1: ("AVRO", '{"type":"string"}')}
    assert "id 1 is another schema now" in case.refused("SchemaDeleted").output()
    assert case.view.record_count() == sent
    registry.schemas = kept
    case.run()
    case.assert_once()


@pytest.mark.fault("F134")
def test_killed_between_the_registration_and_the_item(
    case: RecoveryCase, registry: SmallRegistry
) -> None:
    registry.answers_late = True
    worker = case.start()
    assert registry.has_registered.wait(30)
    assert worker.kill() == KILLED, worker.output()
    registry.answers_late = False
    assert case.view.item() is None
    case.run()
    assert registry.subjects == {f"{case.topic}-value": [1]}
    case.assert_once()


def test_a_resume_by_another_schema_is_refused(
    case: RecoveryCase, registry: SmallRegistry, tmp_path: Path
) -> None:
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=300)
    more = settings(tmp_path, TABLE.replace('"int"', '"long"'), registry.url)
    worker = case.refused("ConfigChanged", settings=more)
    assert "value schema" in worker.output()
    settings(tmp_path, TABLE, registry.url)
    case.run()
    case.assert_once()
