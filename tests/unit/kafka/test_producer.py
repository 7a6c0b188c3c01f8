"""The documented producer: its settings, and nothing left behind where no broker answers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from csvkafka.kafka.producer import _as_json

UNREACHABLE = """
import gc
from csvkafka.kafka.producer import documented_producer
from csvkafka.kafka.settings import KafkaSettings
from kafka.errors import KafkaError

try:
    documented_producer(KafkaSettings(("127.0.0.1:1",)), "gzip", bootstrap_timeout_ms=500)
except KafkaError as error:
    print(type(error).__name__)
gc.collect()
"""


def test_an_unreachable_broker_leaves_no_socket_open_and_warns_of_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-P", "-c", UNREACHABLE],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "KafkaTimeoutError\n"


def test_a_record_that_is_no_json_is_said_and_not_kafka_pythons_older_form() -> None:
    assert _as_json({"a": 1}) == b'{"a": 1}'
    with pytest.raises(ValueError, match=r"cannot be written as JSON: .*set"):
        _as_json({"a": {1}})
