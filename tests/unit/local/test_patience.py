"""A slow machine that does much else is no fault of what is tested: what starts, asks and ends
servers and loaders waits long for what only has to happen."""

from __future__ import annotations

import importlib

import pytest

from csvkafka.kafka.settings import KafkaSettings
from csvkafka.local.base import _client
from csvkafka.testing.judging.job_view import patient
from tests.integration.patient_clients import patient_dynamodb, patient_s3

LEAST_SECONDS = 30

LIMITS = {
    "csvkafka.local.aws": ("START_TIMEOUT_SECONDS",),
    "csvkafka.local.broker": (
        "START_TIMEOUT_SECONDS",
        "STOP_TIMEOUT_SECONDS",
        "PAUSE_TIMEOUT_SECONDS",
    ),
    "csvkafka.testing.faults.proxy": ("CONNECT_TIMEOUT_SECONDS",),
    "csvkafka.testing.judging.job_view": ("WAIT_SECONDS",),
    "csvkafka.testing.processes.supervisor": ("EXIT_TIMEOUT_SECONDS", "STEP_TIMEOUT_SECONDS"),
    "csvkafka.testing.stacks.container_server": ("END_TIMEOUT_SECONDS",),
    "csvkafka.testing.stacks.containers": ("AWS_START_TIMEOUT_SECONDS",),
}


@pytest.mark.parametrize("module", LIMITS)
def test_what_has_to_happen_is_waited_for(module: str) -> None:
    found = {name: getattr(importlib.import_module(module), name) for name in LIMITS[module]}
    assert min(found.values()) >= LEAST_SECONDS, found


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
def test_the_clients_of_stacks_and_fixtures_wait_for_an_answer_and_try_again(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:1"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    fixtures = patient_s3(url) if service == "s3" else patient_dynamodb(url)
    for client in (_client(service, url), fixtures):
        config = client.meta.config
        assert config.read_timeout >= LEAST_SECONDS
        # None, where boto3 itself chooses: five.
        assert (config.retries or {}).get("total_max_attempts", 5) > 1


def test_the_clients_that_judge_wait_for_a_broker() -> None:
    settings = patient(KafkaSettings(("127.0.0.1:1",)))
    least_ms = min(settings.connect_timeout_ms, settings.answer_timeout_ms)
    assert least_ms >= LEAST_SECONDS * 1000
