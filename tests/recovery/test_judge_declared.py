"""Loaders judged by a declared table: types, Avro and JSON Schema, dropped and routed rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from csvkafka.local.base import Stack
from csvkafka.testing.checker.expectation import IdentifyBy
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.checker.verdict import AnomalyKind
from csvkafka.testing.inputs.csv_files import preset
from csvkafka.testing.judging.judge import judge
from csvkafka.testing.judging.judgement import Judgement
from csvkafka.testing.judging.plan import JudgePlan
from csvkafka.testing.processes.loader_command import LoaderCommand
from tests.recovery.test_judge import EXAMPLES, PYTHON, SLOW_CSVKAFKA
from tests.registries import SmallRegistry, small_registry

TABLE = (EXAMPLES / "typed_columns.toml").read_text()
COLUMNS, DROP, ROUTES = TABLE.partition("\n[[drop]]")[0], "\n[[drop]]", "\n[[route]]"
LOADER = Path(__file__).with_name("lying_loader.py")
SLOWER_CSVKAFKA = SLOW_CSVKAFKA.replace("8192", "4096").replace("0.02", "0.04")
REGISTERS = ("SCHEMA_REGISTRY_AUTO_REGISTER=true",)


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


@pytest.fixture
def topics() -> dict[str, str]:
    """Names for those of the routes that no other test has."""
    name = uuid4().hex[:12]
    return {"orders-dach": f"dach-{name}", "orders-fr": f"fr-{name}"}


@pytest.fixture
def declared(tmp_path: Path, topics: dict[str, str]) -> Path:
    """The example's table."""
    return written(tmp_path, TABLE, topics)


def written(folder: Path, table: str, topics: dict[str, str]) -> Path:
    for example, name in topics.items():
        table = table.replace(example, name)
    (folder / "columns.toml").write_text(table)
    return folder / "columns.toml"


def judged(
    stack: Stack, command: str, declared: Path, rows: int, *variables: str, **options: object
) -> Judgement:
    plan = JudgePlan(
        LoaderCommand.parse(command, variables),
        preset("typed", rows),
        csv_columns=declared,
        **options,  # type: ignore[arg-type]
    )
    return judge(plan, stack)


def test_csvkafka_is_clean_by_a_typed_table_with_dropped_and_routed_rows(
    stack: Stack, declared: Path
) -> None:
    command = f"{PYTHON} -m {SLOWER_CSVKAFKA}"
    judgement = judged(stack, command, declared, 2_500, kills=2, partitions=2, run_again=True)
    assert judgement.is_clean, judgement.to_json()
    assert (judgement.row_count, judgement.kills, judgement.rows_repeated) == (2_500, 2, 0)
    for verdict in judgement.verdicts.values():
        assert 100 < verdict.dropped < 400
        assert verdict.record_count == verdict.row_count == 2_500 - verdict.dropped
    sent = sum(life.rows_new for life in judgement.lives)
    assert sent == 2_500 - judgement.verdicts[Isolation.READ_COMMITTED].dropped


AVRO_RECORD = 'format = "avro"\nkey_format = "avro"\nmetadata = "headers"\nsubject = "record"\n'


def test_csvkafka_is_clean_in_avro_in_several_topics_and_from_a_set(
    stack: Stack, tmp_path: Path, topics: dict[str, str], registry: SmallRegistry
) -> None:
    table = TABLE.replace("[record]\n", f'[record]\n{AVRO_RECORD}name = "shop.Order"\n')
    judgement = judged(
        stack,
        f"{PYTHON} -m {SLOWER_CSVKAFKA}",
        written(tmp_path, table, topics),
        2_500,
        *REGISTERS,
        kills=2,
        files=3,
        schema_registry_url=registry.url,
    )
    assert judgement.is_clean, judgement.to_json()
    assert judgement.kills == 2
    assert set(registry.subjects) == {"shop.Order", "shop.OrderKey"}


def test_csvkafka_is_clean_by_a_json_schema_and_content_alone_and_a_zombie(
    stack: Stack, tmp_path: Path, topics: dict[str, str], registry: SmallRegistry
) -> None:
    # Without their numbers many rows are equal.
    table = COLUMNS.replace('id = "long"', "id = { drop = true }")
    table = table.replace("[record]\n", '[record]\nformat = "json-schema"\nmetadata = "none"\n')
    judgement = judged(
        stack,
        f"{PYTHON} -m {SLOWER_CSVKAFKA}",
        written(tmp_path, table, topics),
        2_500,
        *REGISTERS,
        "LEASE_SECONDS=2",
        kills=1,
        pauses=1,
        schema_registry_url=registry.url,
        identify_by=IdentifyBy.CONTENT,
    )
    assert judgement.is_clean, judgement.to_json()
    assert (judgement.kills, judgement.pauses, judgement.rows_repeated) == (1, 1, 0)


TORN, PHANTOM, LOST, DUPLICATE, REORDERED = (
    AnomalyKind.TORN_ROW,
    AnomalyKind.PHANTOM_ROW,
    AnomalyKind.LOST_ROW,
    AnomalyKind.DUPLICATE_ROW,
    AnomalyKind.REORDERED_ROW,
)
LIES = {
    "number-as-text": TORN,
    "truth-as-number": TORN,
    "null-as-empty-text": TORN,
    "another-value": TORN,
    "another-key": TORN,
    "sends-a-dropped-row": PHANTOM,
    "wrong-topic": REORDERED,
    "loses-a-routed-row": LOST,
}


def confessed(
    stack: Stack,
    declared: Path,
    topics: dict[str, str],
    form: str,
    *lies: str,
    **options: object,
) -> tuple[Judgement, dict[str, int]]:
    """What is said of the loader that tells these lies; and of which rows it told them."""
    confession = declared.with_name("confession")
    judgement = judged(
        stack,
        f"{PYTHON} {LOADER} {confession} {form} {' '.join(lies)}",
        declared,
        400,
        f"DACH={topics['orders-dach']}",
        f"FR={topics['orders-fr']}",
        kills=0,
        **options,
    )
    assert judgement.problems == ()
    lines = json.loads(confession.read_text())
    lines.pop("none")
    assert lines.keys() == set(lies)
    return judgement, lines


def seen(judgement: Judgement, level: Isolation) -> set[tuple[AnomalyKind, int | None]]:
    """The anomalies, each with the row that it is of."""
    found = judgement.verdicts[level].anomalies
    assert all(anomaly.count == len(anomaly.places) for anomaly in found)
    return {(anomaly.kind, place.source_line) for anomaly in found for place in anomaly.places}


def test_each_lie_about_a_row_is_seen_by_its_name_and_nothing_else_is(
    stack: Stack, declared: Path, topics: dict[str, str]
) -> None:
    judgement, lines = confessed(stack, declared, topics, "json", *LIES, "in-two-topics")
    due = {(LIES[lie], line) for lie, line in lines.items() if lie in LIES}
    # Of a row in two topics, the one that is met first may be the one in the wrong topic.
    twice = lines["in-two-topics"]
    assert not judgement.is_clean
    for level in Isolation:
        assert seen(judgement, level) == due | {(DUPLICATE, twice), (REORDERED, twice)}
    places = {
        (anomaly.kind, place.source_line): str(place)
        for anomaly in judgement.verdicts[Isolation.READ_COMMITTED].anomalies
        for place in anomaly.places
    }
    dach, fr = topics.values()
    lost, misled = lines["loses-a-routed-row"], lines["wrong-topic"]
    assert places[LOST, lost] == f"topic {dach}, source line {lost}"
    assert places[REORDERED, misled].startswith(f"topic {fr}, partition 0, Kafka offset ")
    assert f"source line {misled}: belongs to topic judge-" in places[REORDERED, misled]


def test_each_lie_in_avro_is_seen(
    stack: Stack, tmp_path: Path, topics: dict[str, str], registry: SmallRegistry
) -> None:
    record = '[record]\nformat = "avro"\nsubject = "record"\nname = "shop.Order"\n'
    declared = written(tmp_path, TABLE.replace("[record]\n", record), topics)
    judgement, lines = confessed(
        stack,
        declared,
        topics,
        "avro",
        "another-value",
        "unknown-schema",
        schema_registry_url=registry.url,
    )
    # A record that nobody can read stands for no row.
    unread = lines["unknown-schema"]
    due = {(TORN, lines["another-value"]), (TORN, None), (LOST, unread)}
    for level in Isolation:
        assert seen(judgement, level) == due
