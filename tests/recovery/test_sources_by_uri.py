"""Loads from a web server, Google Cloud Storage and Azure: workers that are killed, connections
that break, and objects that are replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from csvkafka.model import Step
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Direction, ResetAfter
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.integration import azurite
from tests.integration.source_places import (
    AzureContainer,
    GcsBucket,
    SourcePlace,
    WebServer,
    azure_place,
    azure_server,
    gcs_place,
    gcs_server,
    web_place,
)

NewCase = Callable[..., RecoveryCase]

PLACES: dict[str, Callable[[], AbstractContextManager[SourcePlace]]] = {
    "http": web_place,
    "gs": gcs_place,
    "azure": azure_place,
}


def skip_without(kind: str) -> None:
    reason = azurite.why_not() if kind == "azure" else None
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[SourcePlace]:
    skip_without(request.param)
    with PLACES[request.param]() as made:
        yield made


def case_at(place: SourcePlace, recovery_case: NewCase, **settings: str) -> RecoveryCase:
    """A job whose source is at the place."""
    nowhere = {"S3_BUCKET": "", "S3_KEY": ""}
    case = recovery_case(settings={**nowhere, **place.environment(), **settings})
    case.settings["SOURCE"] = place.uri(case.key)
    place.put(case.key, case.source)
    return case


def test_killed_again_and_again(place: SourcePlace, recovery_case: NewCase) -> None:
    case = case_at(place, recovery_case)
    case.kill_at(Step.BATCH_SENT)
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    case.run()
    case.assert_once()


def test_f83_an_object_that_was_replaced_between_two_runs_is_refused(
    place: SourcePlace, recovery_case: NewCase
) -> None:
    case = case_at(place, recovery_case)
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    place.put(case.key, case.source.replace(b"e", b"E"))
    case.refused("SourceChanged")


def test_a_resume_reads_on_from_the_checkpoint(recovery_case: NewCase) -> None:
    with web_place() as place:
        assert isinstance(place, WebServer)
        case = case_at(place, recovery_case)
        case.kill_at(Step.CHECKPOINT_STORED)
        item = case.item()
        assert item is not None
        assert item["byte_offset"] > 0
        place.server.requests.clear()
        case.run()
        asked = [request.range for request in place.server.requests]
        assert f"bytes={item['byte_offset']}-{len(case.source) - 1}" in asked
        case.assert_once()


@pytest.mark.parametrize("kind", ["http", "gs", "azure"])
def test_f81_the_connection_is_reset_three_times(kind: str, recovery_case: NewCase) -> None:
    skip_without(kind)
    with ExitStack() as running:
        place: SourcePlace
        match kind:
            case "http":
                place = running.enter_context(web_place())
                assert isinstance(place, WebServer)
                target = place.server.endpoint_url.removeprefix("http://")
                proxy = running.enter_context(Proxy(target))
                settings = {"SOURCE": proxy.url}
            case "gs":
                url = running.enter_context(gcs_server())
                place = GcsBucket(url)
                proxy = running.enter_context(Proxy(url.removeprefix("http://")))
                settings = {"STORAGE_EMULATOR_HOST": proxy.url}
            case _:
                connection = running.enter_context(azure_server())
                place = AzureContainer(connection)
                address = connection.partition("BlobEndpoint=http://")[2].partition("/")[0]
                proxy = running.enter_context(Proxy(address))
                proxied = connection.replace(address, proxy.address)
                settings = {"AZURE_STORAGE_CONNECTION_STRING": proxied}
        case = case_at(place, recovery_case, **settings)
        if kind == "http":
            uri = place.uri(case.key)
            case.settings["SOURCE"] = uri.replace(target, proxy.address)
        resets = proxy.inject(ResetAfter(Direction.TO_CLIENT, 100_000, count=3))
        case.run()
        assert resets.times == 3
        case.assert_once()
