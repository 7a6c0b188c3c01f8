"""A plan by a declared table: what it gives the loader and expects of it, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from csvkafka.errors import ConfigError, RegistryUnavailableError
from csvkafka.local.ports import ReservedPort
from csvkafka.testing.checker.documented import TopicRecord, documented_record
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.inputs.csv_files import CsvSpec, preset
from csvkafka.testing.judging.judged_source import JudgedSource
from csvkafka.testing.judging.plan import JudgePlan
from csvkafka.testing.processes.loader_command import LoaderCommand
from tests.refusals import refusal
from tests.registries import small_registry

EXAMPLE = Path(__file__).parents[4] / "examples" / "typed_columns.toml"
TABLE = EXAMPLE.read_text()
TYPED = preset("typed", 200)
COMMAND = LoaderCommand.parse("cat")
REGISTRY = "http://127.0.0.1:8081"
AVRO = '[record]\nformat = "avro"\nsubject = "record"\nname = "shop.Order"\n'
SETTINGS = {
    "S3_BUCKET": "b",
    "S3_KEY": "data.csv",
    "KAFKA_BOOTSTRAP_SERVERS": "h:9092",
    "KAFKA_TOPIC": "rows",
    "DYNAMODB_TABLE": "t",
    "JOB_ID": "j",
}


def plan(
    folder: Path,
    table: str = TABLE,
    csv: CsvSpec = TYPED,
    command: LoaderCommand = COMMAND,
    **options: object,
) -> JudgePlan:
    (folder / "columns.toml").write_text(table)
    return JudgePlan(command, csv, csv_columns=folder / "columns.toml", **options)  # type: ignore[arg-type]


def test_the_loader_is_told_where_the_table_and_the_registry_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "columns.toml").write_text(TABLE.replace("[record]\n", AVRO))
    table = JudgePlan(
        COMMAND, TYPED, csv_columns=Path("columns.toml"), schema_registry_url=REGISTRY
    ).table
    assert table is not None
    path = str(tmp_path / "columns.toml")
    assert table.settings == {"CSV_COLUMNS": path, "SCHEMA_REGISTRY_URL": REGISTRY}
    assert table.routed_topics == ("orders-dach", "orders-fr")


def test_a_plan_that_is_changed_is_held_to_its_table_again(tmp_path: Path) -> None:
    whole = plan(tmp_path)
    assert replace(whole, kills=7).table is not None
    with refusal(ConfigError, match="'amount' is no column of the file; there are id, key, c3"):
        replace(whole, csv=preset("plain", 10))


def test_dropped_rows_make_no_record(tmp_path: Path) -> None:
    source = JudgedSource(plan(tmp_path, files=3), tmp_path, "b")
    dropped = sum(row["quantity"] in ("", "NULL") for row in source.rows())
    assert 5 < dropped < 50
    assert source.record_count == TYPED.row_count - dropped


def test_the_topic_is_expected_and_no_partition(tmp_path: Path) -> None:
    table = plan(tmp_path).table
    assert table is not None
    due = table.expectation(SETTINGS, None, IdentifyBy.LINE)
    assert (due.partition_of, due.number_for) == (None, None)
    assert due.topics == ("rows", "orders-dach", "orders-fr")
    assert due.topic_of is not None
    assert [due.topic_of({"country": text}) for text in ("IT", "AT", "FR", "")] == [0, 1, 2, 0]
    assert due.decode(TopicRecord(0, None, b'{"id":7,"_source_line":1}')) == (None, {"id": 7})
    own = b'{"id":7,"_source_line":1,"_source_file":"s3://b/data.csv"}'
    assert due.decode(TopicRecord(0, None, own)) == (1, {"id": 7})


def test_the_secret_of_hashes_is_the_loaders(tmp_path: Path) -> None:
    hashed = TABLE.replace('note = "string"', 'note = { hash = "blake2b" }')
    with refusal(ConfigError, match="a column is hashed, and CSV_HASH_KEY is not set"):
        plan(tmp_path, hashed)
    command = LoaderCommand.parse("cat", ("CSV_HASH_KEY=0123456789abcdef",))
    assert plan(tmp_path, hashed, command=command).table is not None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[record", "is no TOML"),
        (TABLE.replace("decimal(12,2)", "dezimal"), "'dezimal' is no type"),
        (TABLE.replace("[columns]", "[columns]\nqantity = 'int'"), "is 'quantity' meant"),
        (TABLE.replace('"country"\nequals', '"land"\nequals'), "another route's is 'country'"),
        (TABLE.replace("[record]\n", AVRO), "set SCHEMA_REGISTRY_URL to the registry that has it"),
        (TABLE.replace("[record]", '[record]\nformat = "avro"'), 'needs subject = "record"'),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path: Path, table: str, said: str) -> None:
    with refusal(ConfigError, match=said):
        plan(tmp_path, table)


def test_columns_that_avro_cannot_name_are_refused(tmp_path: Path) -> None:
    table = '[record]\nformat = "avro"\nundeclared = "string"\n'
    csv = replace(TYPED, typed=False, hostile_header=True)
    with refusal(ConfigError, match="rename"):
        plan(tmp_path, table, csv, schema_registry_url=REGISTRY)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with refusal(ConfigError, match="CSV_COLUMNS: cannot read '/.*missing.toml'"):
        JudgePlan(COMMAND, TYPED, csv_columns=tmp_path / "missing.toml")


def test_a_registry_without_a_table_that_needs_one_is_refused(tmp_path: Path) -> None:
    with refusal(ConfigError, match="give CSV_COLUMNS too"):
        JudgePlan(COMMAND, TYPED, schema_registry_url=REGISTRY)
    with refusal(ConfigError, match="no record names a schema"):
        plan(tmp_path, schema_registry_url=REGISTRY)


def test_a_table_and_an_expectation_exclude_each_other(tmp_path: Path) -> None:
    with refusal(ConfigError, match="CSV_COLUMNS and an Expectation exclude"):
        plan(tmp_path, expectation=lambda uri: Expectation(documented_record(uri)))


def test_a_row_that_does_not_fit_is_named_before_anything_runs(tmp_path: Path) -> None:
    strict = plan(tmp_path, TABLE.replace('null = ["", "NULL"]', 'null = ["NULL"]'))
    with refusal(ConfigError, match=r"row \d+ of the CSV that is made .* column '\w+': '' is no "):
        JudgedSource(strict, tmp_path, "b")


def test_a_registry_that_is_down_is_said_before_the_load(tmp_path: Path) -> None:
    def check(url: str) -> None:
        table = plan(tmp_path, TABLE.replace("[record]\n", AVRO), schema_registry_url=url).table
        assert table is not None
        table.check_registry(SETTINGS)

    with small_registry() as registry:
        check(registry.url)
        registry.down = True
        with refusal(RegistryUnavailableError, match="the leader is not known"):
            check(registry.url)
    port = ReservedPort()
    with refusal(RegistryUnavailableError, match="does not answer"):
        check(f"http://127.0.0.1:{port.number}")
    port.release()
