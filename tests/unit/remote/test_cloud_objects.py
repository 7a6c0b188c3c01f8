"""Objects of Google Cloud Storage and Azure: what their clients' refusals mean, on servers that
give one answer; what they read is tested on emulators, in tests/integration/test_sources.py."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    SourceChangedError,
    SourceNotFoundError,
    SourceReadError,
)
from csvkafka.remote.azure_object import AzureObject
from csvkafka.remote.faults import PassingFault
from csvkafka.remote.gcs_object import GcsObject
from csvkafka.remote.place import RemotePlace
from csvkafka.remote.remote_source import Facts, RemoteObject, RemoteSource
from tests.refusals import refusal
from tests.unit.aws.web_server import web_server
from tests.unit.stepped_clock import SteppedClock

KEY = "Zm9vYmFy"

GS = RemotePlace.parse("gs://data/a.csv")
AZURE = RemotePlace.parse("azure://data/a.csv")


def google(url: str) -> RemoteObject:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    client = Client("test", AnonymousCredentials(), client_options={"api_endpoint": url})
    return GcsObject(GS, client)


def azure(url: str) -> RemoteObject:
    account = f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={KEY};"
    return AzureObject(
        AZURE, {"AZURE_STORAGE_CONNECTION_STRING": f"{account}BlobEndpoint={url}/acc;"}
    )


MAKERS = {GS: google, AZURE: azure}
PINS = {GS: "17", AZURE: '"0x1"'}


@pytest.fixture(params=MAKERS, ids=lambda place: place.scheme)
def place(request: pytest.FixtureRequest) -> RemotePlace:
    found: RemotePlace = request.param
    return found


def asking(remote: RemoteObject, place: RemotePlace) -> Iterator[Callable[[], Any]]:
    yield remote.facts
    yield lambda: list(remote.chunks(Facts(PINS[place], 5), 2))


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (403, SourceReadError, "give the account"),
        (404, SourceNotFoundError, "check SOURCE"),
        (412, SourceChangedError, "has changed"),
        (416, SourceChangedError, "has changed"),
        (400, SourceReadError, "400"),
    ],
)
def test_a_refusal_says_what_to_do(
    place: RemotePlace, status: int, error: type[CsvKafkaError], said: str
) -> None:
    body = json.dumps({"error": {"code": status, "message": "no"}}).encode()
    with web_server(status, "application/json", body) as url:
        for ask in asking(MAKERS[place](url), place):
            with refusal(error, match=said):
                ask()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_be_over_soon_is_asked_again(place: RemotePlace, status: int) -> None:
    with web_server(status, "application/json", b"{}") as url:
        for ask in asking(MAKERS[place](url), place):
            with pytest.raises(PassingFault, match=str(status)) as caught:
                ask()
            assert caught.value.has_answered


def test_a_server_that_is_not_there_is_named(place: RemotePlace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    source = RemoteSource(place, MAKERS[place](url), clock=SteppedClock(), give_up_seconds=300)
    with refusal(SourceReadError, match="run the same command again"):
        source.identify()


def test_fewer_bytes_than_asked_for_are_no_content(place: RemotePlace) -> None:
    with web_server(200, "text/csv", b"i") as url:
        chunks = MAKERS[place](url).chunks(Facts(PINS[place], 5), 2)
        with pytest.raises(PassingFault, match="a wrong answer"):
            list(chunks)


# -- credentials and packages ----------------------------------------------------------------------


def test_an_account_of_azure_must_be_named() -> None:
    for environment in ({}, {"AZURE_STORAGE_CONNECTION_STRING": "nonsense"}):
        with refusal(ConfigError, match="AZURE_STORAGE_ACCOUNT"):
            AzureObject(AZURE, environment).facts()


def test_credentials_of_google_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/none.json")
    with refusal(ConfigError, match="no credentials of Google"):
        GcsObject(GS).facts()


@pytest.mark.parametrize(
    ("remote", "package", "extra"),
    [
        (GcsObject(GS), "google.cloud.storage.exceptions", "gcs"),
        (AzureObject(AZURE, {}), "azure.core.exceptions", "azure"),
    ],
    ids=["gs", "azure"],
)
def test_without_its_extra_the_extra_is_named(
    remote: RemoteObject, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with refusal(ConfigError, match=rf"install csvkafka\[{extra}\]"):
        remote.facts()
