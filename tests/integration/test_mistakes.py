"""Each setting that a person may mistype is named within ten seconds, by the documented command.

`pytest --durations=0 --durations-min=0.1` shows how long each takes; docs/guarantees.md has them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from socket import create_server, socket

import pytest

from csvkafka.local.processes import wait_until
from tests.integration.command_line import environment_with
from tests.integration.loads import LoadPlace
from tests.unit.aws.web_server import PAGE, web_server

TEN_SECONDS = 10.0
GIVE_UP_SECONDS = 120.0

NO_HOST = "no-such-host.invalid"
"""A name that no resolver knows (RFC 2606)."""

PLAIN = {
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_PLAIN_USERNAME": "loader",
    "KAFKA_SASL_PLAIN_PASSWORD": "secret",
}

MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "Kafka: host": (
        {"KAFKA_BOOTSTRAP_SERVERS": f"{NO_HOST}:9092"},
        f"{NO_HOST}:9092: .*DNS.*KAFKA_BOOTSTRAP_SERVERS",
    ),
    "Kafka: port of nobody": (
        {"KAFKA_BOOTSTRAP_SERVERS": "{refusing}"},
        "{refusing}: .*ECONNREFUSED.*KAFKA_BOOTSTRAP_SERVERS",
    ),
    "Kafka: silent port": (
        {"KAFKA_BOOTSTRAP_SERVERS": "{silent}"},
        "{silent}.*KAFKA_BOOTSTRAP_SERVERS",
    ),
    "Kafka: port of S3": (
        {"KAFKA_BOOTSTRAP_SERVERS": "{aws}"},
        "{aws}: .*no answer.*KAFKA_BOOTSTRAP_SERVERS",  # it waits for the end of a line
    ),
    "Kafka: semicolons": (
        {"KAFKA_BOOTSTRAP_SERVERS": "a:9092;b:9092"},
        "'a:9092;b:9092' is not host:port.*commas",
    ),
    "Kafka: topic's name": ({"KAFKA_TOPIC": '"rows"'}, "not a name that Kafka allows.*KAFKA_TOPIC"),
    "Kafka: TLS": (
        {"KAFKA_SECURITY_PROTOCOL": "SSL"},
        "speaks PLAINTEXT, but KAFKA_SECURITY_PROTOCOL is SSL",
    ),
    "Kafka: SASL": (
        {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **PLAIN},
        "speaks PLAINTEXT, but KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT",
    ),
    "Kafka: topic": (
        {"KAFKA_TOPIC": "no-such-topic"},
        "topic no-such-topic does not exist.*kafka-topics.sh .*--create --topic no-such-topic",
    ),
    "Kafka: partition": ({"KAFKA_PARTITION": "7"}, "partition 7 is configured"),
    "S3: bucket": ({"S3_BUCKET": "no-such-bucket"}, "no bucket no-such-bucket.*S3_BUCKET"),
    "S3: key": ({"S3_KEY": "no/such.csv"}, "no s3://.*/no/such.csv.*S3_KEY"),
    "S3: key as a URI": ({"S3_KEY": "s3://b/k.csv"}, "S3_KEY begins with 's3://'"),
    "lines to skip": ({"CSV_SKIP_LINES": "9"}, "CSV_SKIP_LINES=9 leaves out all"),
    "lease": ({"LEASE_SECONDS": "0.001"}, "LEASE_SECONDS must be at least 1"),
    "S3: folder": ({"S3_KEY": "exports/"}, "no s3://.*/exports/ .*mark of a folder.*S3_KEY"),
    "S3: endpoint's host": (
        {"AWS_ENDPOINT_URL_S3": f"http://{NO_HOST}"},
        f"SourceRead.*{NO_HOST}.*cannot be reached",
    ),
    "S3: endpoint's port": (
        {"AWS_ENDPOINT_URL_S3": "http://{refusing}"},
        "SourceRead.*{refusing}.*cannot be reached",
    ),
    "S3: silent endpoint": (
        {"AWS_ENDPOINT_URL_S3": "http://{silent}"},
        "SourceRead.*{silent}.*cannot be reached",
    ),
    "S3: a web server": (
        {"AWS_ENDPOINT_URL_S3": "http://{page}"},
        "{page}.*what answers is not S3.*AWS_ENDPOINT_URL",
    ),
    "DynamoDB: a web server": (
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://{page}"},
        "{page}.*what answers is not DynamoDB.*AWS_ENDPOINT_URL.*an HTML page, 'Welcome'",
    ),
    "AWS: a region that is none": (
        {
            "AWS_REGION": "us-est-1",
            "AWS_DEFAULT_REGION": "us-est-1",
            "AWS_ENDPOINT_URL": "",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        },
        "us-est-1.*cannot be reached: check AWS_REGION",
    ),
    "DynamoDB: table": ({"DYNAMODB_TABLE": "no-such-table"}, "no-such-table.*CREATE_TABLE=true"),
    "DynamoDB: endpoint's host": (
        {"AWS_ENDPOINT_URL_DYNAMODB": f"http://{NO_HOST}"},
        f"{NO_HOST}.*cannot be reached",
    ),
    "DynamoDB: endpoint's port": (
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://{refusing}"},
        "{refusing}.*cannot be reached",
    ),
    "DynamoDB: silent endpoint": (
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://{silent}"},
        "{silent}.*cannot be reached",
    ),
    "AWS: profile": ({"AWS_PROFILE": "nobody"}, "nobody"),
    "key column": ({"KEY_COLUMN": "nobody"}, "nobody"),
}
"""What was typed, and what the last line of the log must say."""


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, str]]:
    """A port of nobody (connections are refused), one of somebody who never answers, and one that
    answers everything with a page."""
    with ExitStack() as held:
        refusing = held.enter_context(socket())
        refusing.bind(("127.0.0.1", 0))
        silent = held.enter_context(create_server(("127.0.0.1", 0)))
        page = held.enter_context(web_server(200, "text/html", PAGE))
        yield {
            "page": page.removeprefix("http://"),
            **{
                name: f"127.0.0.1:{port.getsockname()[1]}"
                for name, port in (("refusing", refusing), ("silent", silent))
            },
        }


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistyped_setting_is_named_within_ten_seconds(
    place: LoadPlace, ports: dict[str, str], mistake: str, tmp_path: Path
) -> None:
    place.put(b"id,name\n1,ada\n")
    typed, said = MISTAKES[mistake]
    places = {**ports, "aws": place.stack.aws_endpoint_url.removeprefix("http://")}
    settings = {name: text.format(**places) for name, text in typed.items()}
    code, output, seconds = timed_load(place.settings(**settings), tmp_path / "output")
    assert code == 1, output
    last = output.strip().splitlines()[-1]
    assert " - ERROR - " in last
    assert re.search(said.format(**places), last), last
    assert seconds < TEN_SECONDS, last


def timed_load(settings: Mapping[str, str], log: Path) -> tuple[int, str, float]:
    """Exit code, output and seconds of the documented command: those that it would take on a
    machine with nothing else to do, as far as the kernel tells (`not_served_seconds`)."""
    command = [sys.executable, "-m", "csvkafka"]
    begun = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=environment_with(settings), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        assert wait_until(lambda: has_ended(process.pid), GIVE_UP_SECONDS), log.read_text()
        seconds = time.monotonic() - begun - not_served_seconds(process.pid)
        return process.wait(), log.read_text(), seconds
    finally:
        process.kill()
        process.wait()


def has_ended(pid: int) -> bool:
    """Whether it has ended; it stays a zombie, of which the kernel still knows its times."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def not_served_seconds(pid: int) -> float:
    """How long its main thread could have run and got no processor, as other processes had them all
    (Linux); 0 where no kernel counts that."""
    counts = Path(f"/proc/{pid}/schedstat")
    return int(counts.read_text().split()[1]) / 1e9 if counts.exists() else 0.0


def test_seconds_in_which_a_process_got_no_processor_are_told_from_those_of_waiting(
    tmp_path: Path,
) -> None:
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel does not count them")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})  # this thread and what it starts
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        begun = time.monotonic()
        refused = {"LEASE_SECONDS": "0.001"}
        code, output, seconds = timed_load(refused, tmp_path / "output")
        wall_seconds = time.monotonic() - begun
    finally:
        os.sched_setaffinity(0, allowed)
        for other in others:
            other.kill()
            other.wait()
    assert code == 1, output
    assert 0 < seconds < 0.6 * wall_seconds
