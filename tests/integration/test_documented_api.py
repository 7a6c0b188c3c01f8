"""Each code example of the specification, run: what its users wrote must go on working."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from csvkafka.checkpoint import CheckpointManager
from csvkafka.processor import CSVToKafkaProcessor
from tests.integration.command_line import environment_with, run_python
from tests.integration.loads import LoadPlace

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - [\w.]+ - (INFO|WARNING|ERROR) - .+")


def rows(count: int) -> bytes:
    lines = "".join(f"{row},name {row}\n" for row in range(1, count + 1))
    return f"id,name\n{lines}".encode()


def run_main(place: LoadPlace, **more: str) -> subprocess.CompletedProcess[str]:
    """`python -m csvkafka` as a job would be run; an empty value unsets a variable."""
    environment = environment_with(place.settings(**more))
    given = {name: value for name, value in environment.items() if value}
    return run_python("-m", "csvkafka", environment=given)


def test_checkpoint_manager(place: LoadPlace) -> None:
    mgr = CheckpointManager(place.table, "test-job")
    mgr.update_checkpoint(100, 100)
    assert mgr.get_last_processed_line() == 100


def test_mark_complete_stores_the_status(place: LoadPlace) -> None:
    manager = CheckpointManager(place.table, place.job_id)
    manager.mark_complete(100_000_000)
    item = place.item()
    assert item is not None
    assert (item["last_line"], item["status"]) == (100_000_000, "COMPLETED")


def test_checkpoint_of_a_missing_table_is_line_0_to_read_and_an_error_to_write(
    place: LoadPlace,
) -> None:
    manager = CheckpointManager("no-such-table", place.job_id)
    assert manager.get_last_processed_line() == 0
    with pytest.raises(ClientError):
        manager.update_checkpoint(1, 1)


def test_send_to_kafka(place: LoadPlace) -> None:
    processor = place.processor()
    success = processor._send_to_kafka({"test": "data"}, 1)
    processor.producer.close()
    assert success is True
    assert place.records() == [
        {"test": "data", "_source_line": 1, "_source_file": f"s3://{place.bucket}/{place.key}"}
    ]


def test_send_to_kafka_returns_false_when_the_record_is_refused(place: LoadPlace) -> None:
    processor = place.processor()
    success = processor._send_to_kafka({"test": "x" * 3_000_000}, 1, max_retries=1)
    processor.producer.close()
    assert success is False
    assert place.records() == []


def test_process_sends_each_row_with_its_line_and_file(place: LoadPlace) -> None:
    place.put(rows(1000))
    place.processor().process()
    uri = f"s3://{place.bucket}/{place.key}"
    assert place.records() == [
        {"id": str(row), "name": f"name {row}", "_source_line": row, "_source_file": uri}
        for row in range(1, 1001)
    ]
    assert CheckpointManager(place.table, place.job_id).get_last_processed_line() == 1000


def test_attributes_are_the_documented_ones(place: LoadPlace) -> None:
    manager = CheckpointManager(place.table, place.job_id)
    processor = CSVToKafkaProcessor(
        place.bucket, place.key, place.stack.bootstrap_servers, place.topic, manager
    )
    assert processor.s3_bucket == place.bucket
    assert processor.s3_key == place.key
    assert processor.kafka_topic == place.topic
    assert processor.checkpoint_manager is manager
    assert processor.checkpoint_interval == 10_000
    assert processor.s3_client.meta.service_model.service_name == "s3"
    config = processor.producer.config
    processor.producer.close()
    assert config["max_in_flight_requests_per_connection"] == 1
    assert config["acks"] in ("all", -1)
    assert config["enable_idempotence"] is True
    assert config["compression_type"] == "gzip"


def test_custom_checkpoint_interval(place: LoadPlace) -> None:
    place.put(rows(3000))
    processor = place.processor(checkpoint_interval=50_000)
    assert processor.checkpoint_interval == 50_000
    processor.process()
    item = place.item()
    assert item is not None
    assert item["checkpoint_number"] == 1, "one write, at the end"


def test_multiple_jobs_share_a_table(place: LoadPlace) -> None:
    place.put(rows(10))
    for job_id in ("file1-job", "file2-job"):
        manager = CheckpointManager(place.table, job_id)
        processor = CSVToKafkaProcessor(
            place.bucket,
            place.key,
            place.stack.bootstrap_servers,
            place.topic,
            checkpoint_manager=manager,
        )
        processor.process()
        assert manager.get_last_processed_line() == 10
    assert place.lines() == [*range(1, 11), *range(1, 11)]


class Upper(CSVToKafkaProcessor):
    """The specification's "Custom Record Transformation", but for the time of day."""

    def _send_to_kafka(self, row: dict[str, Any], line_number: int) -> bool:  # type: ignore[override]
        enriched_row = {
            "id": row["id"],
            "name": row["name"].upper(),
            "_source_line": line_number,
        }
        future = self.producer.send(self.kafka_topic, value=enriched_row)
        future.get(timeout=120)
        return True


def test_custom_record_transformation_by_a_subclass(place: LoadPlace) -> None:
    place.put(rows(25))
    manager = CheckpointManager(place.table, place.job_id)
    processor = Upper(
        place.bucket, place.key, place.stack.bootstrap_servers, place.topic, manager, 10
    )
    processor.process()
    assert place.records() == [
        {"id": str(row), "name": f"NAME {row}", "_source_line": row} for row in range(1, 26)
    ]
    item = place.item()
    assert item is not None
    assert (item["status"], item["last_line"], item["total_sent"]) == ("COMPLETED", 25, 25)
    assert "lease_owner" not in item


class FailsAtRow15(Upper):
    def _send_to_kafka(self, row: dict[str, Any], line_number: int) -> bool:  # type: ignore[override]
        return line_number != 15 and super()._send_to_kafka(row, line_number)


def test_a_subclass_that_fails_stops_at_its_row_and_resumes_there(place: LoadPlace) -> None:
    place.put(rows(25))
    arguments = (place.bucket, place.key, place.stack.bootstrap_servers, place.topic)
    manager = CheckpointManager(place.table, place.job_id)
    with pytest.raises(Exception, match="row 15 could not be sent"):
        FailsAtRow15(*arguments, manager, 10).process()
    assert manager.get_last_processed_line() == 14
    Upper(*arguments, manager, 10).process()
    assert place.lines() == list(range(1, 26))


def shout(row: dict[str, object], source_line: int) -> dict[str, object]:
    return {"name": str(row["name"]).upper(), "_source_line": source_line}


def test_transform_is_the_fast_way_to_change_rows(place: LoadPlace) -> None:
    place.put(rows(3))
    place.processor(transform=shout).process()
    assert place.records() == [{"name": f"NAME {n}", "_source_line": n} for n in (1, 2, 3)]


def test_main_loads_by_environment_variables_and_exits_0(place: LoadPlace) -> None:
    place.put(rows(1000))
    done = run_main(place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.lines() == list(range(1, 1001))
    assert "INFO - Starting from line 0\n" in done.stdout
    assert "INFO - Progress: 1000 records sent (line 1000)\n" in done.stdout
    assert all(LOG_LINE.fullmatch(line) for line in done.stdout.splitlines()), done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "missing",
    ["S3_BUCKET", "S3_KEY", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "DYNAMODB_TABLE"],
)
def test_main_exits_1_and_names_a_missing_variable(place: LoadPlace, missing: str) -> None:
    done = run_main(place, **{missing: ""})
    assert done.returncode == 1
    assert f"ERROR - ConfigError: Missing environment variable {missing};" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_job_id_defaults_to_csv_job_1(place: LoadPlace) -> None:
    place.put(rows(5))
    assert run_main(place, JOB_ID="").returncode == 0
    assert CheckpointManager(place.table, "csv-job-1").get_last_processed_line() == 5


def test_a_complete_job_run_again_is_a_no_op_that_says_so(place: LoadPlace) -> None:
    place.put(rows(5))
    place.load()
    before = place.item()
    done = run_main(place)
    assert done.returncode == 0
    assert "is complete already: 5 rows" in done.stdout
    assert place.item() == before
    assert place.lines() == [1, 2, 3, 4, 5]


def test_a_documented_checkpoint_of_another_program_is_taken_over(
    place: LoadPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """It had sent 5,003 rows and stored 5,000 when it died: resumes from line 5,004."""
    place.put(rows(6000))
    old = place.processor()
    for row in range(4_990, 5_004):
        assert old._send_to_kafka({"id": str(row), "name": f"name {row}"}, row)
    old.producer.close()
    CheckpointManager(place.table, place.job_id).update_checkpoint(5000, 5000)
    with caplog.at_level(logging.INFO):
        place.processor().process()
    assert place.lines() == list(range(4_990, 6001))
    assert "Starting from line 5003" in caplog.text
    item = place.item()
    assert item is not None
    assert (item["last_line"], item["total_sent"], item["status"]) == (6000, 6000, "COMPLETED")


def test_a_job_of_ours_cannot_be_overwritten_by_checkpoint_manager(place: LoadPlace) -> None:
    place.put(rows(5))
    place.load()
    with pytest.raises(ClientError):
        CheckpointManager(place.table, place.job_id).update_checkpoint(1, 1)


def test_f93_output_that_cannot_be_written_never_stops_the_load(
    place: LoadPlace, tmp_path: Path
) -> None:
    place.put(rows(1000))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as broken_pipe:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "csvkafka"],
            env={**os.environ, **place.settings()},
            cwd=tmp_path,
            stdout=broken_pipe,
            stderr=subprocess.PIPE,
            timeout=240,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert place.lines() == list(range(1, 1001))
