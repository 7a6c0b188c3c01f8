"""A declared table and the columns of a file: what does not fit is named before the first row."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigChangedError, ConfigError
from csvkafka.job.definition import JobSpec, define
from csvkafka.job.same_job import check_same_job
from csvkafka.ledger.item import decode, new_item
from csvkafka.model import LETTERS_SCHEME, BadRows, SourceIdentity, TopicFacts
from csvkafka.schema.declaration import read_table
from csvkafka.schema.fitting import check_columns, summary
from csvkafka.schema.table import RecordTable
from tests.refusals import refusal

NAMES = ("id", "name", "price")
URI = "s3://bucket/key.csv"
FACTS = {name: TopicFacts("cluster", "id", 4, 3, {}) for name in ("rows", "other", "third")}
SOURCE = SourceIdentity("bucket", "key.csv", '"etag"', 1000)


def table(text: str) -> RecordTable:
    return read_table(text, "columns.toml", b"0123456789abcdef")


DECLARED = 'columns.id = "int"\ncolumns.name = "string"\ncolumns.price = "decimal(9,2)"\n'


def test_a_table_that_fits_passes() -> None:
    check_columns(table(DECLARED + 'columns.origin = {constant = "web"}'), NAMES, URI)
    check_columns(table('record.undeclared = "string"\ncolumns.id = "int"'), NAMES, URI)
    check_columns(table('record.undeclared = "drop"\ncolumns.id = "int"'), NAMES, URI)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (DECLARED + 'columns.prize = "int"', "'prize' is no column of the file; is 'price' meant?"),
        ('columns.id = "int"', "'name', 'price' stands in the file and not in the table"),
        (
            'record.key = "ID"\n' + DECLARED,
            "key (by KEY_COLUMN, or in the table): 'ID' is no column of the file",
        ),
        (
            DECLARED + '\n[[route]]\ntopic = "t"\ncolumn = "prize"\nequals = "x"',
            "[[route]]: 'prize' is no column of the file; is 'price' meant?",
        ),
        (
            DECLARED.replace('"string"', '{rename = "id"}'),
            "'name' and 'id' would both be called 'id'",
        ),
        (
            'record.key = ["id", "name"]\nrecord.key_format = "json"\nrecord.undeclared="drop"\n'
            'columns.id = {drop = true}\ncolumns.name = {rename = "id"}',
            "the key would have 'id' twice",
        ),
        (
            DECLARED.replace('"string"', '{rename = "_source_line"}'),
            "'name' and csvkafka's own field would both be called '_source_line'",
        ),
    ],
)
def test_what_does_not_fit_is_named(text: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_columns(table(text), NAMES, URI)
    assert mistake in str(caught.value)
    assert URI in str(caught.value)


def test_our_own_fields_names_are_free_where_records_do_not_carry_them() -> None:
    text = 'record.metadata = "headers"\n' + DECLARED.replace('"string"', '{rename="_source_line"}')
    check_columns(table(text), NAMES, URI)


def resumed(then: RecordTable | None, now: RecordTable | None) -> str:
    specs = [JobSpec("job", "rows", table=each) for each in (then, now)]
    definitions = [define(spec, SOURCE, NAMES, FACTS, 4) for spec in specs]
    item = decode(new_item("job", definitions[0], 10.0, 1_700_000_000))
    with pytest.raises(ConfigChangedError) as caught:
        check_same_job(item, definitions[1], FACTS, NAMES)
    return str(caught.value)


def test_a_resume_with_another_table_is_refused_by_the_name_of_what_differs() -> None:
    other = table(DECLARED.replace("decimal(9,2)", "double"))
    assert "CSV_COLUMNS declares price otherwise" in resumed(table(DECLARED), other)
    keyed = table('record.key = "id"\n' + DECLARED)
    assert "CSV_COLUMNS declares [record] otherwise" in resumed(table(DECLARED), keyed)
    more = table(DECLARED + "columns.origin = {constant = 1}")
    assert "CSV_COLUMNS declares constants otherwise" in resumed(table(DECLARED), more)
    rule = '\n[[drop]]\ncolumn = "name"\n'
    void, other_void = (
        table(DECLARED + rule + 'equals = "x"'),
        table(DECLARED + rule + 'in = ["y"]'),
    )
    for then, today in ((table(DECLARED), void), (void, table(DECLARED)), (void, other_void)):
        assert "CSV_COLUMNS declares [[drop]] otherwise" in resumed(then, today)
    route = '\n[[route]]\ntopic = "other"\ncolumn = "name"\n'
    by_x, by_y = table(DECLARED + route + 'equals = "x"'), table(DECLARED + route + 'equals = "y"')
    elsewhere = table(DECLARED + route.replace("other", "third") + 'equals = "x"')
    dropping = table(DECLARED + rule + 'equals = "x"' + route + 'equals = "x"')
    for then, today in (
        *((table(DECLARED), by_x), (by_x, table(DECLARED)), (by_x, by_y), (by_x, elsewhere)),
        *((void, dropping), (dropping, void)),
    ):
        assert "CSV_COLUMNS declares [[route]] otherwise" in resumed(then, today)
    assert "CSV_COLUMNS declares [[drop]] otherwise" in resumed(by_x, dropping)
    assert "CSV_COLUMNS declares [[drop]], [[route]] otherwise" in resumed(void, by_x)
    assert "CSV_COLUMNS declares the table otherwise" in resumed(None, table(DECLARED))
    assert "CSV_COLUMNS declares the table otherwise" in resumed(table(DECLARED), None)


def test_a_replay_with_another_table_is_told_how_to_replay_what_is_left() -> None:
    source = SourceIdentity("dead", "job", '"pin"', 9, scheme=LETTERS_SCHEME)
    tables = (table(DECLARED), table(DECLARED.replace("decimal(9,2)", "double")))
    begun, now = (define(JobSpec("job", "rows", table=t), source, NAMES, FACTS, 4) for t in tables)
    item = decode(new_item("job", begun, 10.0, 1_700_000_000))
    with refusal(ConfigChangedError, "declares price otherwise") as refused:
        check_same_job(item, now, FACTS, NAMES)
    said = str(refused.value)
    assert "csvkafka replay with JOB_ID=job" in said
    assert "load under another JOB_ID" not in said, "it would send again what did fit"


def test_a_resume_drops_by_the_unicode_tables_that_the_job_was_begun_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = '\n[[drop]]\ncolumn = "name"\n'
    texts = [rule + r"not_matches = '\w+'", rule + 'equals = "x"', ""]
    specs = [JobSpec("job", "rows", table=table(DECLARED + text)) for text in texts]
    begun = [define(spec, SOURCE, NAMES, FACTS, 4) for spec in specs]
    monkeypatch.setattr("unicodedata.unidata_version", "99.0.0")
    matching, *others = (
        (decode(new_item("job", then, 10.0, 1_700_000_000)), define(spec, SOURCE, NAMES, FACTS, 4))
        for spec, then in zip(specs, begun, strict=True)
    )
    with refusal(ConfigChangedError, match="Unicode tables of Python '.*' then, '99.0.0' now"):
        check_same_job(*matching, FACTS, NAMES)
    for item, now in others:
        assert check_same_job(item, now, FACTS, NAMES) == []


def test_comments_order_and_spelling_do_not_count() -> None:
    other = '# a comment\n[columns]\nprice = "decimal( 9 , 2 )"\nname="string"\nid="int"'
    assert summary(table(DECLARED), NAMES) == summary(table(other), NAMES)


def test_another_secret_is_another_table() -> None:
    text = DECLARED.replace('"string"', '{hash="blake2b"}')
    one, two = (summary(read_table(text, "c", key), NAMES) for key in (b"a" * 16, b"b" * 16))
    assert one != two
    assert not {part for part in one.split() if part in ("a" * 16, "b" * 16)}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"transform": lambda row, _: row}, "CSV_COLUMNS and TRANSFORM exclude each other"),
        ({"bad_rows": BadRows.KEEP}, "ON_BAD_ROW=keep and CSV_COLUMNS exclude each other"),
        ({"one_by_one": True}, "CSV_COLUMNS and an own _send_to_kafka exclude each other"),
        ({"key_column": "name"}, "KEY_COLUMN (name) and the key in CSV_COLUMNS (id) exclude"),
    ],
)
def test_settings_that_do_not_go_with_a_table_are_refused(
    settings: dict[str, object], why: str
) -> None:
    declared = table('record.key = "id"\n' + DECLARED)
    with pytest.raises(ConfigError) as caught:
        JobSpec("job", "rows", table=declared, **settings)  # type: ignore[arg-type]
    assert why in str(caught.value)


BASE = {
    "S3_BUCKET": "b",
    "S3_KEY": "k",
    "KAFKA_BOOTSTRAP_SERVERS": "h:9092",
    "KAFKA_TOPIC": "rows",
    "DYNAMODB_TABLE": "t",
}


def test_the_file_and_the_secret_are_settings(tmp_path: Path) -> None:
    declared, secret = tmp_path / "columns.toml", tmp_path / "secret"
    declared.write_text(DECLARED.replace('"string"', '{hash="blake2b"}'))
    secret.write_text("0123456789abcdef\n")
    given = {**BASE, "CSV_COLUMNS": str(declared), "CSV_HASH_KEY": f"@{secret}"}
    found = LoadConfig.from_settings(given).spec.table
    assert found is not None
    assert found.hash_key == b"0123456789abcdef"
    assert "0123456789abcdef" not in repr(LoadConfig.from_settings(given))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"CSV_COLUMNS": "nowhere.toml"}, "CSV_COLUMNS: cannot read 'nowhere.toml'"),
        (
            {"CSV_HASH_KEY": "0123456789abcdef"},
            "CSV_HASH_KEY is set and CSV_COLUMNS is not",
        ),
        (
            {
                "CSV_COLUMNS": __file__.replace("test_fitting.py", "empty.toml"),
                "CSV_HASH_KEY": "k",
            },
            "cannot read",
        ),
    ],
)
def test_a_setting_that_leads_nowhere_is_refused(settings: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LoadConfig.from_settings({**BASE, **settings})
    assert why in str(caught.value)


def test_a_secret_of_another_length_is_refused_and_never_shown(tmp_path: Path) -> None:
    declared = tmp_path / "columns.toml"
    declared.write_text(DECLARED)
    with pytest.raises(ConfigError, match="16 to 64 bytes") as caught:
        LoadConfig.from_settings({**BASE, "CSV_COLUMNS": str(declared), "CSV_HASH_KEY": "secret!"})
    assert "secret!" not in str(caught.value)
