"""Sets of files on real servers, as users load them: which files, their order, bad input."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from csvkafka import CheckpointManager, CSVToKafkaProcessor
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    JobOwnedError,
    SourceChangedError,
    SourceNotFoundError,
)
from csvkafka.testing.checker.verdict import AnomalyKind
from csvkafka.testing.checker.verify import verify_job
from csvkafka.wiring import run_load
from tests.integration.command_line import run_csvkafka
from tests.integration.loads import LoadPlace
from tests.refusals import refusal

ODD_NAMES = (
    "x/a b+c%20.csv",
    "x/part-10.csv",
    "x/part-2.csv",
    "x/z.csv.gz",
    "x/Ünïcode ☂.csv",
)


def put(place: LoadPlace, files: Mapping[str, bytes]) -> None:
    for key, data in files.items():
        stored = gzip.compress(data) if key.endswith(".gz") else data
        place.stack.put_object(place.bucket, key, stored)


def of_set(place: LoadPlace, **more: str) -> dict[str, str]:
    return place.settings(**({"S3_KEY": "", "S3_PREFIX": "x/"} | more))


def load(place: LoadPlace, **more: str) -> Any:
    return run_load(LoadConfig.from_settings(of_set(place, **more)))


def sources(place: LoadPlace) -> list[tuple[str, int, str]]:
    return [
        (
            record["_source_file"].removeprefix(f"s3://{place.bucket}/"),
            record["_source_line"],
            record["id"],
        )
        for record in place.records()
    ]


def keys_of(listed: str) -> list[str]:
    return [line.split("  ")[-3] for line in listed.splitlines() if "  ETag " in line]


def odd_files() -> dict[str, bytes]:
    return {key: b"id,n\n%d,a\n%d,b\n" % (2 * n, 2 * n + 1) for n, key in enumerate(ODD_NAMES)}


def test_keys_of_all_kinds_are_listed_loaded_in_their_order_and_verified(place: LoadPlace) -> None:
    put(place, odd_files())
    put(place, {"x/_SUCCESS": b"", "x/sub/": b"", "x/empty.csv": b"", "y/other.csv": b"q\n1\n"})
    shown = run_csvkafka("load", "--list", settings=of_set(place))
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert keys_of(shown.stdout) == list(ODD_NAMES)
    assert lines[5:8] == [
        "left out, a _SUCCESS marker: x/_SUCCESS",
        "left out, empty: x/empty.csv",
        "left out, a folder: x/sub/",
    ]
    assert lines[8].startswith(f"5 files of s3://{place.bucket}/x/, ")
    assert place.item() is None, "--list writes nothing"
    assert load(place).row_count == 10
    assert sources(place) == [
        (key, line, str(2 * number + line - 1))
        for number, key in enumerate(ODD_NAMES)
        for line in (1, 2)
    ]
    assert verify_job(LoadConfig.from_settings(of_set(place))).verdict.is_clean
    assert load(place).already_complete


@pytest.mark.parametrize("order", ["set", "object"])
def test_verify_names_the_settings_that_a_set_was_begun_with_otherwise(
    place: LoadPlace, order: str, tmp_path: Path
) -> None:
    put(place, {"x/a.csv": b"id,n\n1,2\n", "x/b.csv": b"n,id\n3,4\n"})
    table = tmp_path / "columns.toml"
    table.write_text('columns.id = "int"\ncolumns.n = "string"\n')
    settings = of_set(place, ORDER=order, CSV_COLUMNS=str(table))
    run_load(LoadConfig.from_settings(settings))
    sound = verify_job(LoadConfig.from_settings(settings)).verdict
    assert (sound.is_clean, sound.notes) == (True, ())
    table.write_text('columns.id = "string"\ncolumns.n = "string"\n')
    verdict = verify_job(LoadConfig.from_settings(settings)).verdict
    assert verdict.count(AnomalyKind.TORN_ROW) == 2
    (note,) = verdict.notes
    assert f"job {place.job_id} was begun with other settings" in note
    assert note.endswith("CSV_COLUMNS declares id otherwise")


def test_status_and_doctor_speak_of_files(place: LoadPlace) -> None:
    put(place, odd_files())
    before = run_csvkafka("doctor", settings=of_set(place))
    assert before.returncode == 0, before.stdout
    assert "5 files" in before.stdout
    assert f"from {ODD_NAMES[0]} to {ODD_NAMES[-1]}" in before.stdout
    assert "x/z.csv.gz, the largest compressed file: so small" in before.stdout
    load(place)
    shown = run_csvkafka("status", settings=of_set(place)).stdout
    assert "files       5 of 5" in shown
    status = json.loads(run_csvkafka("status", "--json", settings=of_set(place)).stdout)
    assert (status["files_done"], status["files"], status["percent"]) == (5, 5, 100.0)
    place.stack.put_object(place.bucket, "x/new.csv", b"id,n\n1,2\n")
    after = run_csvkafka("doctor", settings=of_set(place))
    assert after.returncode == 0, after.stdout
    assert "1 object of" in after.stdout
    verdict = run_csvkafka("verify", settings=of_set(place))
    assert verdict.returncode == 0, verdict.stdout


def test_globs_and_manifests_choose_the_files(place: LoadPlace) -> None:
    put(place, odd_files())
    manifest = f"x/z.csv.gz\ns3://{place.bucket}/x/part-2.csv\n"
    place.stack.put_object(place.bucket, "lists/m.txt", manifest.encode())
    uri = f"s3://{place.bucket}/lists/m.txt"
    chosen = {
        "globs": of_set(place, S3_INCLUDE="*.csv,x/z*", S3_EXCLUDE="part-*"),
        "manifest": of_set(place, S3_PREFIX="", S3_MANIFEST="lists/m.txt"),
        "uri": of_set(place, S3_PREFIX="", S3_MANIFEST=uri, S3_EXCLUDE="*.gz"),
    }
    listed = {
        name: keys_of(run_csvkafka("load", "--list", settings=settings).stdout)
        for name, settings in chosen.items()
    }
    assert listed == {
        "globs": [ODD_NAMES[0], ODD_NAMES[3], ODD_NAMES[4]],
        "manifest": [ODD_NAMES[2], ODD_NAMES[3]],
        "uri": [ODD_NAMES[2]],
    }
    load(place, S3_PREFIX="", S3_MANIFEST="lists/m.txt")
    assert [key for key, _, _ in sources(place)] == [ODD_NAMES[2]] * 2 + [ODD_NAMES[3]] * 2


def test_a_version_that_a_manifest_names_is_loaded_after_it_was_overwritten(
    place: LoadPlace,
) -> None:
    s3 = place.stack.client("s3")
    s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=place.bucket, Key="x/a.csv", Body=b"id\n1\n")["VersionId"]
    put(place, {"x/a.csv": b"id\n2\n3\n", "x/b.csv": b"id\n4\n"})
    manifest = json.dumps([{"key": "x/a.csv", "version_id": old}, "x/b.csv"])
    place.stack.put_object(place.bucket, "m.json", manifest.encode())
    load(place, S3_PREFIX="", S3_MANIFEST="m.json")
    assert sources(place) == [("x/a.csv", 1, "1"), ("x/b.csv", 1, "4")]


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        (
            {"S3_PREFIX": "nothing/"},
            ConfigError,
            "there is no object under s3://.*/nothing/; check",
        ),
        ({"S3_PREFIX": "s3://b/x/"}, ConfigError, "S3_PREFIX begins with 's3://'; give what"),
        ({"S3_INCLUDE": "*.parquet"}, ConfigError, r"no glob of S3_INCLUDE \(\*.parquet\) matches"),
        (
            {"S3_PREFIX": "", "S3_MANIFEST": "m"},
            SourceNotFoundError,
            "no s3://.*/x/gone.csv, which line 2 of",
        ),
        ({"S3_PREFIX": "", "S3_MANIFEST": "no"}, SourceNotFoundError, "/no at .*check S3_MANIFEST"),
        ({"S3_BUCKET": "no-such-bucket"}, SourceNotFoundError, "no bucket no-such-bucket"),
        ({"S3_KEY": "a"}, ConfigError, "S3_KEY and S3_PREFIX exclude each other"),
        ({"S3_VERSION_ID": "v"}, ConfigError, "S3_VERSION_ID names a version of one object"),
        ({"JOB_ID": "a#files/b"}, ConfigError, "JOB_ID must not hold '#files/'"),
    ],
)
def test_what_is_no_set_is_refused_before_anything_is_written(
    place: LoadPlace, settings: dict[str, str], kind: type[CsvKafkaError], said: str
) -> None:
    put(place, odd_files())
    place.stack.put_object(place.bucket, "m", b"x/part-2.csv\nx/gone.csv\n")
    with refusal(kind, said):
        load(place, **settings)
    assert place.item() is None
    assert place.stack.client("dynamodb").scan(TableName=place.table)["Count"] == 0


def test_globs_beside_one_key_are_refused(place: LoadPlace) -> None:
    with refusal(ConfigError, "S3_INCLUDE: globs are for a set, and S3_KEY names one"):
        place.load(S3_INCLUDE="*.csv")


def test_one_object_and_a_set_of_one_name_are_two_jobs(place: LoadPlace) -> None:
    put(place, {"x/": b"id\n1\n", "x/a.csv": b"id\n2\n"})
    place.key = "x/"
    place.load()
    with refusal(SourceChangedError, "was begun with s3://.*/x/ as one object, not as a set"):
        load(place)


def test_the_chunks_of_a_list_are_not_for_checkpoint_managers(place: LoadPlace) -> None:
    put(place, odd_files())
    load(place)
    items = place.stack.client("dynamodb").scan(TableName=place.table)["Items"]
    (chunk,) = [item["job_id"]["S"] for item in items if "list" in item]
    assert chunk.startswith(f"{place.job_id}#files/")
    with pytest.raises(JobOwnedError):
        CheckpointManager(place.table, chunk).update_checkpoint(1, 1)


def test_the_documented_class_loads_a_set_by_settings(place: LoadPlace) -> None:
    put(place, odd_files())

    def processor() -> CSVToKafkaProcessor:
        return CSVToKafkaProcessor(
            place.bucket,
            "",
            place.stack.bootstrap_servers,
            place.topic,
            CheckpointManager(place.table, place.job_id),
            settings={"S3_PREFIX": "x/"},
        )

    own = processor()
    own._send_to_kafka = Mock(return_value=True)  # type: ignore[method-assign]
    with refusal(ConfigError, "own _send_to_kafka gets the rows of one object"):
        own.process()
    assert processor().process().row_count == 10
