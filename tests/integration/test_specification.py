"""Statements of the specification that a reader would try: what is said there is what happens."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from kafka import KafkaProducer

from csvkafka.aws.clients import s3_client
from csvkafka.checkpoint import CheckpointManager
from csvkafka.errors import (
    ConfigError,
    DeliveryError,
    JobOwnedError,
    TailDeletedError,
    UserFunctionError,
)
from csvkafka.model import Step
from csvkafka.processor import CSVToKafkaProcessor
from tests.integration import command_line
from tests.integration.command_line import environment_with, run_csvkafka
from tests.integration.loads import LoadPlace
from tests.refusals import refusal, refusal_in

SECRET = "4929-1234-5678-9012"
ROWS = f"id,name\n1,ada\n2,{SECRET}\n3,grace\n".encode()


def run_python(place: LoadPlace, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **place.settings(**more)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def run_main(place: LoadPlace, **more: str) -> subprocess.CompletedProcess[str]:
    """`python -m csvkafka`, forked where that can be."""
    environment = environment_with(place.settings(**more))
    return command_line.run_python("-m", "csvkafka", environment=environment)


# -- "modify the _send_to_kafka method" --------------------------------------------------------


def upper(self: Any, row: dict[str, Any], line_number: int) -> bool:
    value = {"name": row["name"].upper(), "_source_line": line_number}
    self.producer.send(self.kafka_topic, value=value).get(timeout=120)
    return True


class Upper(CSVToKafkaProcessor):
    _send_to_kafka = upper  # type: ignore[assignment]


@contextmanager
def by_subclass(place: LoadPlace) -> Iterator[CSVToKafkaProcessor]:
    manager = CheckpointManager(place.table, place.job_id)
    yield Upper(place.bucket, place.key, place.stack.bootstrap_servers, place.topic, manager)


@contextmanager
def on_the_class(place: LoadPlace) -> Iterator[CSVToKafkaProcessor]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(CSVToKafkaProcessor, "_send_to_kafka", upper)
        yield place.processor()


@contextmanager
def on_the_instance(place: LoadPlace) -> Iterator[CSVToKafkaProcessor]:
    processor = place.processor()
    processor._send_to_kafka = lambda row, line: upper(processor, row, line)  # type: ignore[assignment,method-assign,misc]
    yield processor


@contextmanager
def by_a_mock(place: LoadPlace) -> Iterator[CSVToKafkaProcessor]:
    processor = place.processor()
    sends: Callable[..., bool] = lambda row, line: upper(processor, row, line)  # noqa: E731
    with mock.patch.object(CSVToKafkaProcessor, "_send_to_kafka", side_effect=sends) as mocked:
        yield processor
    assert mocked.call_count == 3


@pytest.mark.parametrize("bound", [by_subclass, on_the_class, on_the_instance, by_a_mock])
def test_whatever_is_bound_to_send_to_kafka_is_called(
    place: LoadPlace, bound: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    place.put(ROWS)
    with bound(place) as processor, caplog.at_level(logging.INFO):
        processor.process()
    assert place.records() == [
        {"name": name, "_source_line": line}
        for line, name in enumerate(["ADA", SECRET, "GRACE"], 1)
    ]
    assert "Progress: 3 records sent (line 3)" in caplog.text, "the progress log says the truth"
    assert "Completed: 3 records sent, 3 rows" in caplog.text


@pytest.mark.parametrize(
    "more", [{"transform": dict}, {"settings": {"KEY_COLUMN": "id"}}], ids=lambda more: min(more)
)
def test_what_an_own_send_to_kafka_would_leave_out_is_refused(
    place: LoadPlace, more: dict[str, Any]
) -> None:
    place.put(ROWS)
    manager = CheckpointManager(place.table, place.job_id)
    processor = Upper(
        place.bucket, place.key, place.stack.bootstrap_servers, place.topic, manager, **more
    )
    with refusal(ConfigError, "exclude each other"):
        processor.process()
    assert place.records() == []


# -- attributes --------------------------------------------------------------------------------


def test_attributes_that_are_set_before_process_count(place: LoadPlace) -> None:
    other = LoadPlace(place.stack, key="other.csv")
    other.put(ROWS)
    processor = place.processor()
    processor.s3_bucket, processor.s3_key = other.bucket, other.key
    processor.kafka_topic = other.topic
    processor.checkpoint_manager = CheckpointManager(other.table, other.job_id)
    processor.checkpoint_interval = 50_000
    processor.s3_client = client = mock.Mock(wraps=s3_client())
    client.meta = s3_client().meta
    processor.process()
    assert other.lines() == [1, 2, 3]
    assert other.records()[0]["_source_file"] == f"s3://{other.bucket}/other.csv"
    assert place.records() == []
    assert place.item() is None
    assert client.get_object.called
    item = other.item()
    assert item is not None
    assert item["status"] == "COMPLETED"


def test_an_attribute_that_cannot_be_is_refused_by_name(place: LoadPlace) -> None:
    processor = place.processor()
    processor.checkpoint_interval = 0
    with refusal(ConfigError, "checkpoint_interval must be a whole number of at least 1"):
        processor.process()


@pytest.mark.parametrize(
    "name", ["s3_bucket", "s3_key", "kafka_topic", "checkpoint_interval", "producer", "s3_client"]
)
def test_attributes_cannot_be_set_while_process_runs(place: LoadPlace, name: str) -> None:
    place.put(ROWS)
    processor = place.processor()

    class Setter:
        def report(self, step: Step, **_: int) -> None:
            if step is Step.LEASE_TAKEN:
                setattr(processor, name, "other")

    with refusal(ConfigError, f"'{name}' cannot be set while process"):
        processor.process(observer=Setter())
    processor.process()
    assert place.lines() == [1, 2, 3]


def tuned_producer(place: LoadPlace) -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=place.stack.bootstrap_servers,
        linger_ms=10,
        batch_size=32_768,
        value_serializer=lambda value: repr(value).encode(),
    )


@pytest.mark.filterwarnings("ignore:value_serializer does not implement")
def test_a_producer_that_is_set_sends_the_rows_of_an_own_send_to_kafka(place: LoadPlace) -> None:
    place.put(ROWS)
    manager = CheckpointManager(place.table, place.job_id)
    processor = Upper(place.bucket, place.key, place.stack.bootstrap_servers, place.topic, manager)
    processor.producer = tuned = tuned_producer(place)
    with pytest.raises(ValueError, match="Expecting property name"):
        processor.process()
        place.records()  # what that serializer wrote is no JSON
    assert processor.producer is tuned
    assert tuned._closed, "documented: closed in the end"


@pytest.mark.filterwarnings("ignore:value_serializer does not implement")
def test_a_producer_that_is_set_for_sending_in_bulk_is_warned_about(
    place: LoadPlace, caplog: pytest.LogCaptureFixture
) -> None:
    place.put(ROWS)
    processor = place.processor()
    processor.producer = tuned_producer(place)
    processor.process()
    assert place.lines() == [1, 2, 3]
    assert "The producer that was set is not used" in caplog.text


def test_a_checkpoint_manager_of_ones_own_is_told_what_is_not_called(
    place: LoadPlace, caplog: pytest.LogCaptureFixture
) -> None:
    class Noisy(CheckpointManager):
        def update_checkpoint(self, *_: int) -> None:
            raise AssertionError

    place.put(ROWS)
    processor = place.processor()
    processor.checkpoint_manager = Noisy(place.table, place.job_id)
    processor.process()
    assert "update_checkpoint of the CheckpointManager is overridden" in caplog.text
    assert place.lines() == [1, 2, 3]


def test_the_producer_warns_of_nothing_under_dev_mode(place: LoadPlace) -> None:
    """Neither with a broker nor without: no DeprecationWarning, no socket left open."""
    program = """
import gc, sys
from csvkafka.kafka import producer, settings
from kafka.errors import KafkaError
good = producer.documented_producer(settings.KafkaSettings((sys.argv[1],)), "gzip")
good.send(sys.argv[2], value={"a": 1}).get(timeout=120)
good.close()
try:
    producer.documented_producer(
        settings.KafkaSettings(("127.0.0.1:1",)), "gzip", bootstrap_timeout_ms=1000
    )
except KafkaError as error:
    print(type(error).__name__)
gc.collect()
"""
    server = place.stack.bootstrap_servers.split(",")[0]
    done = run_python(place, "-X", "dev", "-W", "error", "-P", "-c", program, server, place.topic)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert place.records() == [{"a": 1}]


def test_a_load_warns_of_nothing_under_dev_mode(place: LoadPlace) -> None:
    place.put(ROWS)
    done = run_python(place, "-X", "dev", "-W", "error", "-P", "-m", "csvkafka")
    assert (done.returncode, done.stderr) == (0, "")
    assert place.lines() == [1, 2, 3]


# -- settings, named as they were given --------------------------------------------------------


def test_an_unknown_setting_is_refused_with_the_nearest(place: LoadPlace) -> None:
    with refusal(ConfigError, "'KEY_COLUM' is no setting, is 'KEY_COLUMN' meant"):
        place.processor(settings={"KEY_COLUM": "id"})


def test_a_misspelt_variable_is_warned_about(place: LoadPlace) -> None:
    place.put(ROWS)
    done = run_main(place, CSV_DELIMTER=";", KAFKA_HEAP_OPTS="-Xmx1g")
    assert done.returncode == 0
    warnings = [line for line in done.stdout.splitlines() if "does not read" in line]
    (line,) = warnings
    assert line.endswith(
        "WARNING - CSV_DELIMTER is set, which csvkafka does not read: is CSV_DELIMITER meant?"
    )


def test_a_remedy_is_spelled_as_the_caller_gives_settings(place: LoadPlace) -> None:
    """Another program's item says that rows were processed, and the topic has none of them."""
    place.put(ROWS)
    CheckpointManager(place.table, place.job_id).update_checkpoint(2, 2)
    by_variable = run_main(place)
    assert "run again with ACCEPT_DELETED_TAIL=true." in by_variable.stdout
    by_option = run_csvkafka("load", settings=place.settings())
    assert "run again with --accept-deleted-tail." in by_option.stderr
    with refusal(TailDeletedError) as caught:
        place.processor().process()
    assert 'run again with settings={"ACCEPT_DELETED_TAIL": "true"}.' in str(caught.value)
    place.processor(settings={"ACCEPT_DELETED_TAIL": "true"}).process()
    assert place.lines() == [3]


# -- logging -----------------------------------------------------------------------------------


def test_debug_logs_each_record_without_its_contents(place: LoadPlace) -> None:
    place.put(ROWS)
    done = run_main(place, LOG_LEVEL="DEBUG")
    assert done.returncode == 0
    sent = re.findall(
        rf"DEBUG - Sent record (\d+) of partition 0 of topic {place.topic}: (\d+) bytes",
        done.stdout,
    )
    uri = f"s3://{place.bucket}/{place.key}"
    bare = len('{"id":"1","name":"","_source_line":1,"_source_file":""}') + len(uri)
    names = ("ada", SECRET, "grace")
    assert sent == [(str(line), str(bare + len(name))) for line, name in enumerate(names, 1)]
    assert SECRET not in done.stdout


FAILING = """
def parse(row, line):
    number = int(row["name"]) if line == 2 else 0
    return {"x": number}
"""


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("way", [("-m", "csvkafka"), ("-m", "csvkafka", "load")], ids=len)
def test_a_transform_that_raises_is_named_with_its_row_and_shows_no_values(
    place: LoadPlace, tmp_path: Path, way: tuple[str, ...], workers: str
) -> None:
    place.put(ROWS)
    tmp_path.joinpath("own_code.py").write_text(FAILING)
    settings = {
        "TRANSFORM": "own_code:parse",
        "PYTHONPATH": str(tmp_path),
        "ENCODE_WORKERS": workers,
    }
    done = run_python(place, *way, **settings)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    (line,) = [line for line in output.splitlines() if "own_code:parse" in line]
    place_of_row = f"row 2 of s3://{place.bucket}/{place.key}"
    assert f"the transform own_code:parse raised ValueError for {place_of_row}" in line
    refusal_in(UserFunctionError, line)
    assert "Traceback" not in output
    assert "defect" not in output
    shown = run_python(place, *way, **settings, LOG_LEVEL="DEBUG")
    output += shown.stdout + shown.stderr
    assert 'int(row["name"]) if line == 2' in output
    assert SECRET not in output


OWN_PROGRAM = """
import os
from csvkafka import CheckpointManager, CSVToKafkaProcessor
from own_code import parse

CSVToKafkaProcessor(
    *[os.environ[name] for name in ("S3_BUCKET", "S3_KEY", "KAFKA_BOOTSTRAP_SERVERS")],
    os.environ["KAFKA_TOPIC"],
    CheckpointManager(os.environ["DYNAMODB_TABLE"], os.environ["JOB_ID"]),
    transform=parse,
).process()
"""


def test_a_program_of_ones_own_sees_the_lines_of_a_transform_at_debug(
    place: LoadPlace, tmp_path: Path
) -> None:
    place.put(ROWS)
    tmp_path.joinpath("own_code.py").write_text(FAILING)
    settings = {"PYTHONPATH": str(tmp_path)}
    done = run_python(place, "-c", OWN_PROGRAM, **settings)
    assert done.returncode == 1
    assert "UserFunctionError: the transform own_code:parse raised ValueError" in done.stderr
    assert 'int(row["name"])' not in done.stderr
    shown = run_python(place, "-c", OWN_PROGRAM, **settings, LOG_LEVEL="DEBUG")
    assert 'int(row["name"]) if line == 2' in shown.stderr
    set_up = "import logging, sys; logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)\n"
    logged = run_python(place, "-c", set_up + OWN_PROGRAM, **settings)
    assert 'int(row["name"]) if line == 2' in logged.stdout
    assert SECRET not in shown.stderr + logged.stdout + logged.stderr


def test_a_send_to_kafka_that_raises_is_named_with_its_row_and_shows_no_values(
    place: LoadPlace,
) -> None:
    place.put(ROWS)
    processor = place.processor()
    sent = []

    def send(row: dict[str, Any], line: int) -> bool:
        sent.append(int(row["id"]) if line == 1 else int(row["name"]))
        return True

    processor._send_to_kafka = send  # type: ignore[assignment,method-assign]
    with refusal(UserFunctionError, "_send_to_kafka raised ValueError for row 2") as caught:
        processor.process()
    assert SECRET not in str(caught.value) + caught.value.frames
    assert "sent.append" in caught.value.frames
    assert isinstance(caught.value.__context__, ValueError), "for whoever looks for it"
    assert caught.value.__suppress_context__, "and no traceback shows it"
    assert CheckpointManager(place.table, place.job_id).get_last_processed_line() == 1


def test_a_kafka_error_of_an_own_send_to_kafka_may_pass(place: LoadPlace) -> None:
    from kafka.errors import KafkaTimeoutError

    def send(_: dict[str, Any], line: int) -> bool:
        raise KafkaTimeoutError(f"line {line}")

    place.put(ROWS)
    processor = place.processor()
    processor._send_to_kafka = send  # type: ignore[assignment,method-assign]
    with refusal(DeliveryError, "row 1 could not be sent"):
        processor.process()


# -- checkpoints of a job that process() owns --------------------------------------------------


def test_a_completed_job_of_ours_is_not_overwritten_and_says_whose_it_is(place: LoadPlace) -> None:
    place.put(ROWS)
    place.load()
    manager = CheckpointManager(place.table, place.job_id)
    for write in (lambda: manager.update_checkpoint(1, 1), lambda: manager.mark_complete(1)):
        with pytest.raises(JobOwnedError, match="which has completed it") as caught:
            write()
        refusal_in(JobOwnedError, str(caught.value))
        assert isinstance(caught.value, ClientError), "documented"
        assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"


def test_a_job_that_is_being_loaded_says_by_whom(place: LoadPlace) -> None:
    place.put(ROWS)
    said: list[str] = []

    class Writes:
        def report(self, step: Step, **_: int) -> None:
            if step is Step.LEASE_TAKEN:
                with pytest.raises(ClientError) as caught:
                    CheckpointManager(place.table, place.job_id).update_checkpoint(1, 1)
                said.append(str(caught.value))

    place.processor().process(observer=Writes())
    (message,) = said
    assert f"process {os.getpid()} on host" in message
    assert "Use another job_id" in message


# -- exit codes --------------------------------------------------------------------------------


def ends_with(place: LoadPlace, **more: str) -> tuple[int, int, int]:
    """Exit codes: as documented, detailed by the option, detailed by the variable."""
    settings = place.settings(**more)
    plain = run_csvkafka("load", settings=settings).returncode
    option = run_csvkafka("load", "--exit-codes", "detailed", settings=settings).returncode
    variable = run_main(place, **more, EXIT_CODES="detailed").returncode
    return plain, option, variable


def test_exit_codes_tell_apart_what_an_orchestrator_must_on_demand(place: LoadPlace) -> None:
    assert ends_with(place) == (1, 66, 66), "no such object"
    assert ends_with(place, KAFKA_TOPIC="") == (1, 78, 78), "a setting"
    place.put(b"id,name\n1,ada\n2\n")
    assert ends_with(place, DYNAMODB_TABLE="no-such-table") == (1, 75, 75), "may pass"
    assert ends_with(place) == (1, 65, 65), "the file"
    place.put(ROWS)
    assert ends_with(place) == (1, 80, 80), "another file"
