"""A file of this machine, loaded with its checkpoint in another file: no AWS anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from csvkafka import CheckpointManager, CSVToKafkaProcessor
from csvkafka.local.base import Stack
from tests.integration.command_line import (
    CSVKAFKA,
    environment_with,
    run_csvkafka,
    run_python,
)
from tests.integration.kafka_rows import create_topic, values_in
from tests.integration.loads import LoadPlace

ROWS = b"id,name\n1,a\n2,b\n3,c\n"


@dataclass
class Desk:
    """A user's home with a file, and a broker; nothing of AWS in the environment."""

    folder: Path
    bootstrap_servers: str
    topic: str
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.csv_file = self.folder / "some data.csv"
        self.csv_file.write_bytes(ROWS)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def checkpoint_file(self) -> Path:
        return self.folder / "state" / "csvkafka" / "checkpoints.sqlite"

    @property
    def target(self) -> list[str]:
        return ["--kafka-bootstrap-servers", self.bootstrap_servers, "--kafka-topic", self.topic]

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_python(CSVKAFKA, command, *arguments, environment=self.environment)

    def load(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("load", str(self.csv_file), *self.target, *arguments)

    def records(self) -> list[dict[str, object]]:
        return [json.loads(value) for value in values_in(self.bootstrap_servers, self.topic, 0)]


@pytest.fixture
def desk(tmp_path: Path, stack: Stack) -> Iterator[Desk]:
    yield Desk(tmp_path, stack.bootstrap_servers, create_topic(stack.bootstrap_servers))


def test_a_file_is_loaded_with_a_broker_alone(desk: Desk) -> None:
    result = desk.load()
    assert (result.returncode, result.stderr) == (0, "")
    assert f"Checkpoints are kept in file {desk.checkpoint_file}" in result.stdout
    assert [record["id"] for record in desk.records()] == ["1", "2", "3"]
    assert {record["_source_file"] for record in desk.records()} == {f"file://{desk.csv_file}"}
    again = desk.load()
    assert again.returncode == 0
    assert "Nothing to do" in again.stdout
    assert len(desk.records()) == 3


def test_status_verify_and_doctor_know_the_file(desk: Desk) -> None:
    before = desk.run("doctor", str(desk.csv_file), *desk.target)
    assert (before.returncode, before.stderr) == (0, "")
    assert "is missing and will be created" in before.stdout
    assert not desk.checkpoint_file.exists()
    assert desk.load().returncode == 0
    doctor = desk.run("doctor", "--source", str(desk.csv_file), *desk.target)
    assert "is the same job: COMPLETED, 3 rows" in doctor.stdout
    assert "pinned by size, time and a digest of both ends" in doctor.stdout
    for place in ("sqlite", f"sqlite://{desk.checkpoint_file}"):
        status = desk.run("status", "--checkpoint", place)
        assert (status.returncode, status.stderr) == (0, "")
        assert f"file://{desk.csv_file}  {len(ROWS)} bytes" in status.stdout
        assert re.search(r"rows +3 ", status.stdout)
    verify = desk.run("verify", str(desk.csv_file), *desk.target, "--isolation", "both")
    assert (verify.returncode, verify.stderr) == (0, ""), verify.stdout
    unknown = desk.run("status", "another", "--checkpoint", "sqlite")
    assert unknown.returncode == 1
    assert f"file {desk.checkpoint_file} has no item of job another" in unknown.stderr


def test_nothing_of_aws_is_imported(desk: Desk) -> None:
    command = [sys.executable, "-X", "importtime", "-P", CSVKAFKA]
    result = subprocess.run(
        [*command, "load", str(desk.csv_file), *desk.target],
        env=desk.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "csvkafka.files.sqlite_store" in imported
    assert {"boto3", "botocore", "smart_open"} & imported == set()
    assert len(desk.records()) == 3


def test_python_m_csvkafka_takes_it_from_the_environment(desk: Desk) -> None:
    place = f"sqlite://{desk.folder}/checkpoints.sqlite"
    settings = {
        "SOURCE": desk.csv_file.as_uri(),
        "KAFKA_BOOTSTRAP_SERVERS": desk.bootstrap_servers,
        "KAFKA_TOPIC": desk.topic,
        "CHECKPOINT": place,
    }
    refused = run_python("-m", "csvkafka", environment=desk.environment | settings)
    assert refused.returncode == 1
    assert "ERROR - CheckpointFileMissingError: " in refused.stdout
    assert "CREATE_TABLE=true" in refused.stdout
    settings["CREATE_TABLE"] = "true"
    result = run_python("-m", "csvkafka", environment=desk.environment | settings)
    assert result.returncode == 0, result.stdout
    assert f"Created the checkpoint file {desk.folder}/checkpoints.sqlite" in result.stdout
    assert len(desk.records()) == 3


def test_a_file_that_was_changed_is_refused(desk: Desk) -> None:
    assert desk.load().returncode == 0
    desk.csv_file.write_bytes(ROWS + b"4,d\n")
    result = desk.load("--exit-codes", "detailed")
    assert result.returncode == 80
    assert "has changed since job csv-job-1 was begun" in result.stderr
    assert len(desk.records()) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-"], "standard input, which cannot be read again"),
        (["none.csv"], "none.csv' does not exist: check --source"),
        (
            ["ftp://host/data.csv"],
            "must be s3://BUCKET/KEY, a path, file:///PATH, https://HOST/PATH",
        ),
        (["data.csv", "--s3-key", "data.csv"], "exclude each other"),
        (["data.csv", "--source", "other.csv"], "is given twice"),
    ],
)
def test_what_is_no_source_is_refused(desk: Desk, arguments: list[str], said: str) -> None:
    result = desk.run("load", *arguments, *desk.target)
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert desk.records() == []
    assert not desk.checkpoint_file.exists()


def test_an_object_may_be_named_by_its_uri(place: LoadPlace) -> None:
    place.put(ROWS)
    settings = place.settings()
    uri = f"s3://{settings.pop('S3_BUCKET')}/{settings.pop('S3_KEY')}"
    settings["CHECKPOINT"] = f"dynamodb://{settings.pop('DYNAMODB_TABLE')}"
    result = run_csvkafka("load", uri, settings=settings)
    assert (result.returncode, result.stderr) == (0, "")
    assert (place.item() or {})["status"] == "COMPLETED"
    assert place.lines() == [1, 2, 3]
    again = run_python("-m", "csvkafka", environment=environment_with({**settings, "SOURCE": uri}))
    assert "Nothing to do" in again.stdout


def test_the_documented_class_keeps_its_checkpoint_in_a_file(
    place: LoadPlace, tmp_path: Path
) -> None:
    place.put(ROWS)
    uri = f"sqlite://{tmp_path}/checkpoints.sqlite"
    processor = CSVToKafkaProcessor(
        place.bucket,
        place.key,
        place.stack.bootstrap_servers,
        place.topic,
        CheckpointManager(uri, place.job_id),
        settings={"CREATE_TABLE": "true"},
    )
    assert processor.process().row_count == 3
    assert CheckpointManager(uri, place.job_id).get_last_processed_line() == 3
    assert place.item() is None
