"""Clients with the loader's settings, but for its limits of seconds: a server of a slow machine
that does much else answers later, and what is tested by them is not how long they wait."""

from __future__ import annotations

from typing import Any

from csvkafka.aws import clients as aws


def patient_s3(endpoint_url: str) -> Any:
    """Waits a minute for each byte, and tries five times."""
    return aws.s3_client(
        endpoint_url=endpoint_url,
        connect_timeout_seconds=10.0,
        read_timeout_seconds=60.0,
        max_attempts=5,
    )


def patient_dynamodb(endpoint_url: str) -> Any:
    """Its calls may take three minutes, with two tries."""
    return aws.dynamodb_client(endpoint_url=endpoint_url, call_seconds=180.0)
