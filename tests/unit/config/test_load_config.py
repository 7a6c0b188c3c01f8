"""Settings from the environment: defaults, and one error that names all that is wrong."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from csvkafka.config.load_config import LoadConfig, kafka_settings
from csvkafka.config.settings import SETTINGS, Setting
from csvkafka.errors import ConfigError
from csvkafka.model import BadRows, Routing
from tests.refusals import refusal

REQUIRED = {
    "S3_BUCKET": "my-data-bucket",
    "S3_KEY": "exports/data.csv",
    "KAFKA_BOOTSTRAP_SERVERS": "b-1.msk.com:9092, b-2.msk.com:9092",
    "KAFKA_TOPIC": "csv-import",
    "DYNAMODB_TABLE": "csv-kafka-checkpoint",
}


def config(**more: str) -> LoadConfig:
    return LoadConfig.from_settings({**REQUIRED, **more})


def error(**more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config(**more)
    return str(caught.value)


def test_the_documented_variables_are_enough() -> None:
    given = config()
    assert given.s3_bucket == "my-data-bucket"
    assert given.kafka.bootstrap_servers == ("b-1.msk.com:9092", "b-2.msk.com:9092")
    assert given.spec.job_id == "csv-job-1"
    assert given.checkpoint_interval == 10_000
    assert given.spec.compression == "gzip"
    assert given.spec.bad_rows is BadRows.STOP
    assert given.spec.routing is Routing.ONE_PARTITION


def test_all_missing_variables_are_named_at_once() -> None:
    with refusal(ConfigError) as caught:
        LoadConfig.from_settings({})
    assert f"Missing environment variable {', '.join(REQUIRED)};" in str(caught.value)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_empty_text_is_a_value_or_refused_by_name_and_never_the_default(setting: Setting) -> None:
    if setting.required:
        assert f"{setting.variable} is empty" in error(**{setting.variable: ""})
    elif setting.variable == "CSV_QUOTECHAR":
        assert config(CSV_QUOTECHAR="").spec.dialect.quotechar == ""
    elif setting.default is None:
        assert config(**{setting.variable: ""}) == config(), "none, which is the default too"
    else:
        said = error(**{setting.variable: ""})
        assert f"{setting.variable} is empty" in said
        assert f"leave it out for {setting.default}" in said


def test_the_dialect_remembers_what_the_user_gave() -> None:
    assert config().spec.given == frozenset()
    assert config(CSV_DELIMITER=",").spec.given == {"CSV_DELIMITER"}


def test_a_customers_key_is_base64_or_a_file_of_bytes_or_of_base64(tmp_path: Path) -> None:
    key = bytes(range(32))
    text = base64.b64encode(key).decode()
    raw, encoded = tmp_path / "raw.key", tmp_path / "base64.key"
    raw.write_bytes(key)
    encoded.write_text(text + "\n")
    for given in (text, f"@{raw}", f"@{encoded}"):
        loaded = config(S3_SSE_CUSTOMER_KEY=given)
        assert loaded.s3_customer_key == key
        assert text not in repr(loaded)


@pytest.mark.parametrize("text", ["c2hvcnQ=", "@/nonexistent/key", "no base64 of 32 bytes at all"])
def test_a_customers_key_that_is_none_is_refused_and_not_shown(text: str) -> None:
    said = error(S3_SSE_CUSTOMER_KEY=text)
    assert "S3_SSE_CUSTOMER_KEY" in said
    assert text.startswith("@") or text not in said


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("CHECKPOINT_INTERVAL", "0", "a whole number of at least 1, not '0'"),
        ("CHECKPOINT_INTERVAL", "many", "a whole number of at least 1, not 'many'"),
        ("KAFKA_PARTITION", "-1", "a whole number of at least 0"),
        ("DEAD_LETTER_ABOVE_BYTES", "999", "a whole number of at least 1000"),
        ("MAX_RECORD_BYTES", "9" * 5_000, "a number of at most 18 digits, not one of 5000"),
        ("LEASE_SECONDS", "0", "a number of seconds above 0"),
        ("LEASE_SECONDS", "0.001", "at least 1 (seconds)"),
        ("ENCODE_THREADS", "100000", "at most 256"),
        ("ENCODE_WORKERS", "5000", "at most 256"),
        ("WATCHDOG_SECONDS", "nan", "a number of seconds above 0"),
        ("WATCHDOG_SECONDS", "inf", "a number of seconds above 0"),
        ("CREATE_TABLE", "perhaps", "true or false"),
        ("ON_BAD_ROW", "skip", "one of stop, keep, dead-letter"),
        ("KAFKA_COMPRESSION_TYPE", "brotli", "one of gzip, zstd, lz4, snappy, none"),
    ],
)
def test_a_malformed_value_is_named_with_what_it_must_be(
    variable: str, text: str, said: str
) -> None:
    message = error(**{variable: text})
    assert variable in message
    assert said in message


def test_a_value_that_is_no_text_is_named() -> None:
    values: dict[str, Any] = {**REQUIRED, "ENCODE_WORKERS": 2}
    with refusal(ConfigError, "ENCODE_WORKERS must be text, not int"):
        LoadConfig.from_settings(values)


def test_a_transform_that_fails_when_it_is_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("breaks_at_import.py").write_text("1 // 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = error(TRANSFORM="breaks_at_import:function")
    assert "TRANSFORM 'breaks_at_import:function' cannot be imported" in said
    assert "ZeroDivisionError" in said


def test_a_secret_is_never_shown() -> None:
    more = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_PLAIN_USERNAME": "loader",
        "KAFKA_SASL_PLAIN_PASSWORD": "open-sesame",
    }
    assert "open-sesame" not in repr(config(**more))


@pytest.mark.parametrize(
    "more",
    [
        {"ON_BAD_ROW": "dead-letter"},
        {"DEAD_LETTER_TOPIC": "dead"},
        {"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": "csv-import"},
        {"DEAD_LETTER_ABOVE_BYTES": "5000"},
        {"ON_BAD_ROW": "keep", "DEAD_LETTER_ABOVE_BYTES": "5000"},
        {"TRANSFORM": "no.such.module:function"},
        {"TRANSFORM": "json"},
        {"TRANSFORM": "json:no_such_name"},
        {"TRANSFORM": "sys:path"},
        {"KAFKA_SASL_MECHANISM": "PLAIN"},
        {"KAFKA_AWS_MSK_IAM": "true"},
        {"SCHEMA_REGISTRY_URL": "http://registry:8081"},
    ],
)
def test_settings_that_do_not_go_together_are_refused(more: dict[str, str]) -> None:
    assert error(**more)


def test_the_size_of_a_record_that_is_set_aside_is_the_users_or_none_is_said() -> None:
    letters = {"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": "dead"}
    assert config(**letters, DEAD_LETTER_ABOVE_BYTES="1000").spec.own_size_limit == 1_000
    assert config(**letters, DEAD_LETTER_ABOVE_BYTES="").spec.own_size_limit is None
    assert config(**letters).spec.own_size_limit is None


def test_a_source_is_named_where_all_of_it_is_missing() -> None:
    with refusal(ConfigError, "SOURCE may stand in the place of S3_BUCKET and S3_KEY; see"):
        LoadConfig.from_settings({})
    with refusal(ConfigError) as caught:
        LoadConfig.from_settings({"S3_BUCKET": "data"})
    assert "SOURCE" not in str(caught.value)


def test_a_key_column_sends_to_all_partitions_and_a_partition_to_one() -> None:
    assert config(KEY_COLUMN="id").spec.routing is Routing.KEY_MURMUR2
    assert config(KEY_COLUMN="id", PARTITIONER="crc32").spec.routing is Routing.KEY_CRC32
    one = config(KEY_COLUMN="id", KAFKA_PARTITION="2").spec
    assert one.routing is Routing.ONE_PARTITION
    assert [lane.partition for lane in one.lanes(8)] == [2]


def test_a_tab_can_be_written_as_backslash_t() -> None:
    assert config(CSV_DELIMITER="\\t").spec.dialect.delimiter == "\t"


def test_kafka_can_be_reached_without_naming_a_topic() -> None:
    servers = kafka_settings({"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}).bootstrap_servers
    assert servers == ("localhost:9092",)


def test_each_setting_has_a_default_that_is_allowed() -> None:
    for setting in SETTINGS:
        if setting.default is not None and setting.choices:
            assert setting.default in setting.choices, setting.variable


@pytest.mark.parametrize("text", ["s3://data", "s3://data/exports/a.csv", "data/exports", "data/"])
def test_a_bucket_is_given_by_its_name_alone(text: str) -> None:
    with refusal(
        ConfigError, f"S3_BUCKET must be the name of a bucket alone, not '{text}': .*S3_KEY"
    ):
        LoadConfig.from_settings({**REQUIRED, "S3_BUCKET": text})


def test_an_access_point_may_stand_for_a_bucket() -> None:
    arn = "arn:aws:s3:eu-west-1:111122223333:accesspoint/exports"
    assert LoadConfig.from_settings({**REQUIRED, "S3_BUCKET": arn}).s3_bucket == arn
