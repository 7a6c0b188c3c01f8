"""Rows are judged by their record's size: one of the limit's is due, one of a byte more is to be
set aside. In each form of records; the topic holds what the loader's encoder makes of the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.model import BadRows, EncodePlan
from csvkafka.registry.settings import RegistrySettings
from csvkafka.schema.declaration import read_table
from csvkafka.schema.subjects import WireSchemas
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import FileLines, TopicRecord
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.checker.job_expectation import expectation_of
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.set_files import SetFiles
from csvkafka.testing.checker.size_limit import record_size
from csvkafka.testing.checker.verdict import AnomalyKind, CheckpointObservation, Verdict
from tests.registries import small_registry
from tests.unit.testing.checker.test_job_expectation import CONFIG
from tests.unit.testing.checker.test_record_sizes import made_by_the_loader

LOST, TORN, PHANTOM = AnomalyKind.LOST_ROW, AnomalyKind.TORN_ROW, AnomalyKind.PHANTOM_ROW
URI = "s3://data/rows.csv"
COLUMNS = '[columns]\nid = "int"\nprice = "decimal(20,4)"\nnote = { null = ["-"] }\n'
HEADER = ("id", "price", "note")
AT, ABOVE = 3, 5
"""The rows whose record has just the limit's size, and a byte more. All others are small."""


def with_a_number(row: dict[str, object], line: int) -> dict[str, object]:
    return {**row, "note": [row["note"], line]}


def without_a_line(row: dict[str, object], _line: int) -> dict[str, object]:
    return {"id": row["id"], "note": row["note"], 7: None}  # type: ignore[dict-item]


FORMS: dict[str, dict[str, Any]] = {
    "documented": {},
    "documented, with a key": {"key_column": "note"},
    "made by a transform": {"transform": with_a_number},
    "made by a transform, without its line": {"transform": without_a_line, "key_column": "id"},
    "declared": {"record": 'key = "note"'},
    "declared, in headers": {
        "record": 'metadata = "headers"\nkey = ["id", "note"]\nkey_format = "json"'
    },
    "declared, of no line": {"record": 'metadata = "none"'},
    "JSON Schema": {"record": 'format = "json-schema"'},
    "JSON Schema, key in Avro": {
        "record": 'format = "json-schema"\nkey = ["price", "id"]\nkey_format = "avro"'
    },
    "Avro": {"record": 'format = "avro"'},
    "Avro, in headers": {"record": 'format = "avro"\nmetadata = "headers"\nkey = "note"'},
    "Avro, of no line": {"record": 'format = "avro"\nmetadata = "none"'},
    "Avro, without a column of its key": {
        "record": 'format = "avro"\nkey = "id"',
        "columns": COLUMNS.replace('id = "int"', 'id = { type = "int", drop = true }'),
    },
    "Avro, by a given schema": {"record": 'format = "avro"\nschema = "given.avsc"'},
}
GIVEN = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "channel", "type": "string", "default": "web"},
        {"name": "id", "type": ["null", "long"]},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 24, "scale": 4},
        },
        {"name": "note", "type": ["string", "null"]},
        {"name": "_source_line", "type": "long"},
        {"name": "_source_file", "type": "string"},
    ],
}


class Form:
    """What a load in one form makes of rows, and what is expected of it."""

    def __init__(self, config: LoadConfig, schemas: WireSchemas | None) -> None:
        spec = config.spec
        self.config = config
        self._plan = EncodePlan(
            HEADER,
            URI,
            compression="none",
            bad_rows=BadRows.DEAD_LETTER,
            key_column=spec.key_column if spec.table is None else None,
            transform=spec.transform,
            table=spec.whole_table,
            schemas=schemas,
        )

    def records(self, rows: Sequence[tuple[str, ...]]) -> list[TopicRecord]:
        return made_by_the_loader(self._plan, *rows)

    def rows(self) -> tuple[list[tuple[str, ...]], int]:
        """Seven rows, and the limit."""
        rows: list[tuple[str, ...]]
        rows = [(str(n), f"{n}.5", f"n{n}" * (n % 3)) for n in range(1, 8)]
        rows[AT - 1] = ("3", "3.25", '"\x01é' + "x" * 400)
        most_bytes = record_size(self.records(rows)[AT - 1])
        # Its own line may have a size too, and so may its note's size in Avro, or its key.
        for more in range(380, 440):
            rows[ABOVE - 1] = ("5", "3.25", '"\x01é' + "x" * more)
            if record_size(self.records(rows)[ABOVE - 1]) > most_bytes:
                break
        return rows, most_bytes

    def judged(
        self,
        rows: Sequence[tuple[str, ...]],
        records: Sequence[TopicRecord],
        most_bytes: int | None,
        *observations: CheckpointObservation,
        **more: Any,
    ) -> Verdict:
        by = IdentifyBy.LINE
        if self.config.spec.transform is without_a_line:
            by = IdentifyBy.CONTENT
        due = expectation_of(limited(self.config, most_bytes), 1, identify_by=by)
        log = [record._replace(kafka_offset=n) for n, record in enumerate(records)]
        return check(named(rows), {0: log}, replace(due, **more), observations)


def limited(config: LoadConfig, most_bytes: int | None) -> LoadConfig:
    return replace(config, spec=replace(config.spec, usual_size_limit=most_bytes))


def named(rows: Sequence[tuple[str, ...]]) -> list[SourceRow]:
    return [dict(zip(HEADER, row, strict=True)) for row in rows]


@contextmanager
def form_of(name: str, folder: Path) -> Iterator[Form]:
    settings = dict(FORMS[name])
    spec = replace(CONFIG.spec, bad_rows=BadRows.DEAD_LETTER, dead_letter_topic="dead")
    if "record" not in settings:
        yield Form(replace(CONFIG, spec=replace(spec, **settings)), None)
        return
    (folder / "given.avsc").write_text(json.dumps(GIVEN))
    text = f"[record]\n{settings['record']}\n{settings.get('columns', COLUMNS)}"
    table = read_table(text, "columns.toml", b"", lambda path: (folder / path).read_text())
    config = replace(CONFIG, spec=replace(spec, table=table))
    schemas = config.spec.schemas(HEADER)
    if schemas is None:
        yield Form(config, None)
        return
    with small_registry() as registry:
        schemas = schemas.mapped(
            lambda each: each.with_id(registry.register(each.subject, each.text, each.schema_type))
        )
        known = replace(config.spec, known_schemas=schemas.configuration)
        yield Form(replace(config, spec=known, registry=RegistrySettings(registry.url)), schemas)


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    with form_of(request.param, tmp_path) as made:
        yield made


def found(verdict: Verdict) -> dict[AnomalyKind, int]:
    return {anomaly.kind: anomaly.count for anomaly in verdict.anomalies}


def without(records: Sequence[TopicRecord], *lines: int) -> list[TopicRecord]:
    return [record for line, record in enumerate(records, 1) if line not in lines]


def test_a_row_of_the_limits_size_is_due_and_one_of_a_byte_more_is_not(form: Form) -> None:
    rows, most_bytes = form.rows()
    records = form.records(rows)
    assert record_size(records[AT - 1]) == most_bytes < record_size(records[ABOVE - 1])
    verdict = form.judged(rows, without(records, ABOVE), most_bytes)
    assert verdict.is_clean, verdict
    assert (verdict.row_count, verdict.rows_found, verdict.too_large) == (6, 6, 1)
    assert "6 of 6 rows, 1 row too large, to be set aside" in str(verdict)
    lost = form.judged(rows, without(records, AT, ABOVE), most_bytes)
    assert found(lost) == {LOST: 1}
    assert lost.anomalies[0].first.source_line == AT


def test_a_row_above_the_limit_that_is_in_the_topic_is_told_with_its_size(form: Form) -> None:
    rows, most_bytes = form.rows()
    records = form.records(rows)
    for at in (ABOVE - 1, 6):  # in its turn, and late
        log = [*without(records, ABOVE)]
        log.insert(at, records[ABOVE - 1])
        for ignore_foreign in (False, True):
            verdict = form.judged(rows, log, most_bytes, ignore_foreign=ignore_foreign)
            assert found(verdict) == {PHANTOM: 1}
            assert str(verdict.anomalies[0].first) == (
                f"partition 0, Kafka offset {at}, source line {ABOVE}: its row makes "
                f"{record_size(records[ABOVE - 1])} bytes, more than the {most_bytes} of "
                "DEAD_LETTER_ABOVE_BYTES: it should be set aside"
            )


def test_only_the_record_of_such_a_row_is_told_with_a_size(form: Form) -> None:
    rows, most_bytes = form.rows()
    records = form.records(rows)
    other = form.records([("8", "8.5", "none of these")] * 9)[8]
    verdict = form.judged(rows, [*without(records, ABOVE), records[ABOVE - 1], other], most_bytes)
    assert found(verdict) == {PHANTOM: 2}
    said = [place.detail for place in verdict.anomalies[0].places]
    assert ["should be set aside" in each for each in said] == [True, False]


def test_what_a_replay_sent_of_it_is_left_alone(form: Form) -> None:
    rows, most_bytes = form.rows()
    records = form.records(rows)
    log = [*without(records, ABOVE), records[ABOVE - 1]]
    verdict = form.judged(
        rows, log, most_bytes, ignore_foreign=True, is_of_another=lambda _, offset: offset == 6
    )
    assert (verdict.is_clean, verdict.foreign_count) == (True, 1), verdict


def test_without_a_limit_all_rows_are_due(form: Form) -> None:
    rows, _ = form.rows()
    records = form.records(rows)
    assert form.judged(rows, records, None).is_clean
    assert found(form.judged(rows, without(records, ABOVE), None)) == {LOST: 1}


@pytest.fixture
def documented(tmp_path: Path) -> Iterator[Form]:
    with form_of("documented", tmp_path) as made:
        yield made


def test_rows_told_by_content_are_judged_by_size_too(documented: Form) -> None:
    rows, most_bytes = documented.rows()
    records = documented.records(rows)
    by = {"identify_by": IdentifyBy.CONTENT}
    assert documented.judged(rows, without(records, ABOVE), most_bytes, **by).is_clean
    assert found(documented.judged(rows, records, most_bytes, **by)) == {PHANTOM: 1}


def test_a_record_that_is_larger_than_its_row_makes_is_told(documented: Form) -> None:
    rows, most_bytes = documented.rows()
    records = without(documented.records(rows), ABOVE)
    spaced = json.dumps(json.loads(records[AT - 1].value or b""), ensure_ascii=False).encode()
    records[AT - 1] = records[AT - 1]._replace(value=spaced)
    verdict = documented.judged(rows, records, most_bytes)
    assert found(verdict) == {TORN: 1}
    assert f"it has {len(spaced)} bytes, more than the {most_bytes} of" in str(verdict)


def test_a_row_that_is_set_aside_counts_among_the_records_of_a_checkpoint(documented: Form) -> None:
    rows, most_bytes = documented.rows()
    log = without(documented.records(rows), ABOVE)
    for total_sent, is_clean in ((7, True), (6, False)):
        observation = CheckpointObservation(7, {0: 6}, total_sent=total_sent)
        assert documented.judged(rows, log, most_bytes, observation).is_clean is is_clean


@pytest.mark.parametrize("bad_rows", [BadRows.STOP, BadRows.KEEP])
def test_where_no_row_is_set_aside_none_is_too_large(documented: Form, bad_rows: BadRows) -> None:
    rows, most_bytes = documented.rows()
    spec = replace(documented.config.spec, bad_rows=bad_rows, dead_letter_topic=None)
    due = expectation_of(limited(replace(documented.config, spec=spec), most_bytes), 1)
    assert check(named(rows), {0: documented.records(rows)}, due).is_clean


def test_in_a_set_the_file_and_its_own_line_are_what_counts() -> None:
    """Row 1,000 of one file is the first of the next, whose name is longer."""
    short, long = "s3://data/a.csv", "s3://data/a longer name.csv"
    files = SetFiles({}, lambda _: iter(()))
    files.lines = {short: FileLines(0, 999), long: FileLines(999, 2)}
    files._uris, files._befores = [short, long], [0, 999]
    spec = replace(CONFIG.spec, bad_rows=BadRows.DEAD_LETTER, dead_letter_topic="dead")
    config = replace(CONFIG, spec=spec)
    row: SourceRow = {"a": "1"}

    def due(line: int, most_bytes: int) -> int:
        limit = expectation_of(limited(config, most_bytes), 1, files).size_limit
        assert limit is not None
        return limit.size_above(row, line, None)

    value = '{"a":"1","_source_line":%d,"_source_file":"%s"}'
    for line, (uri, own) in {999: (short, 999), 1000: (long, 1), 1001: (long, 2)}.items():
        size = len(value % (own, uri))
        assert due(line, size) == 0
        assert due(line, size - 1) == size


def test_an_expectation_of_another_loader_has_no_limit() -> None:
    assert Expectation().size_limit is None
