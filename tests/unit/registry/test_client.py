"""What a registry that misbehaves is told of, each in one sentence; and no secret in any."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from csvkafka.errors import (
    ConfigError,
    RegistryRefusedError,
    RegistryUnavailableError,
    SchemaDeletedError,
    SchemaRefusedError,
)
from csvkafka.local.ports import ReservedPort
from csvkafka.registry.client import RegistryClient
from csvkafka.registry.settings import RegistrySettings
from csvkafka.schema.subjects import AVRO, JSON, WireSchema
from tests.certificates import certificate
from tests.refusals import refusal
from tests.registries import SmallRegistry, basic, small_registry

SECRET = "s3cr3t"
ORDER = WireSchema(
    "orders-value",
    AVRO,
    '{"type":"record","name":"orders","fields":[{"name":"id","type":"int"}]}',
)


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


def client(url: str, **settings: object) -> RegistryClient:
    return RegistryClient(RegistrySettings(url, **settings))  # type: ignore[arg-type]


def test_a_schema_is_only_looked_up(registry: SmallRegistry) -> None:
    with refusal(SchemaRefusedError, match=r"subject orders-value .*Subject 'orders-value' not"):
        client(registry.url).registered(ORDER)
    assert not registry.schemas
    registry.register(ORDER.subject, ORDER.text)
    assert client(registry.url).registered(ORDER).schema_id == 1


def test_the_schema_that_is_missing_is_shown_to_be_registered(registry: SmallRegistry) -> None:
    with refusal(SchemaRefusedError) as caught:
        client(registry.url).registered(ORDER)
    assert str(caught.value).endswith(ORDER.text)
    assert "SCHEMA_REGISTRY_AUTO_REGISTER=true" in str(caught.value)


def test_a_schema_is_registered_where_the_settings_say_so(registry: SmallRegistry) -> None:
    registering = client(registry.url, auto_register=True)
    assert registering.registered(ORDER).schema_id == 1
    assert client(registry.url, auto_register=True).registered(ORDER).schema_id == 1
    assert registry.subjects == {"orders-value": [1]}


def test_an_incompatible_schema_is_refused_in_the_registrys_words(registry: SmallRegistry) -> None:
    registry.register(ORDER.subject, '{"type":"string"}')
    with refusal(SchemaRefusedError, match="Schema being registered is incompatible with an earl"):
        client(registry.url, auto_register=True).registered(ORDER)


@pytest.mark.parametrize("auto_register", [False, True])
def test_a_subject_of_another_type_is_named(registry: SmallRegistry, auto_register: bool) -> None:
    registry.register(ORDER.subject, "{}", JSON)
    with refusal(SchemaRefusedError, match="holds schemas of type JSON, and CSV_COLUMNS says AVRO"):
        client(registry.url, auto_register=auto_register).registered(ORDER)


@pytest.mark.parametrize("auto_register", [False, True])
def test_a_registry_that_is_down(registry: SmallRegistry, auto_register: bool) -> None:
    registry.down = True
    with refusal(RegistryUnavailableError, match="the leader is not known"):
        client(registry.url, auto_register=auto_register).registered(ORDER)
    port = ReservedPort()
    with refusal(RegistryUnavailableError, match="refused"):
        nobody = f"http://127.0.0.1:{port.number}"
        client(nobody, auto_register=auto_register).registered(ORDER)
    port.release()


def test_a_schema_that_was_deleted(registry: SmallRegistry) -> None:
    registry.register(ORDER.subject, ORDER.text)
    asking = client(registry.url)
    found = asking.registered(ORDER)
    asking.check(found)
    registry.schemas.clear()
    with refusal(SchemaDeletedError, match="id 1 .*Schema not found"):
        asking.check(found)


def test_an_id_that_means_another_schema(registry: SmallRegistry) -> None:
    registry.register("another", '{"type":"string"}')
    with refusal(SchemaDeletedError, match="id 1 is another schema now"):
        client(registry.url).check(ORDER.with_id(1))
    reformatted = ORDER.text.replace(",", " ,\n")
    registry.schemas[1] = (AVRO, reformatted)
    client(registry.url).check(ORDER.with_id(1))


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"basic_auth": f"loader:{SECRET}"}, basic(f"loader:{SECRET}")),
        ({"bearer_token": SECRET}, f"Bearer {SECRET}"),
    ],
)
def test_who_one_is(
    registry: SmallRegistry,
    settings: dict[str, str],
    header: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    registry.register(ORDER.subject, ORDER.text)
    registry.authorization = header
    assert client(registry.url, **settings).registered(ORDER).schema_id == 1
    (name,) = settings
    (tmp_path / "secret").write_text(settings[name] + "\n")
    in_file = {name: f"@{tmp_path / 'secret'}"}
    assert client(registry.url, **in_file).registered(ORDER).schema_id == 1
    registry.authorization = "another"
    with refusal(RegistryRefusedError, match="refused us: 'Unauthorized'") as caught:
        client(registry.url, **settings).registered(ORDER)
    shown = f"{caught.value!r} {RegistrySettings(registry.url, **settings)!r} {caplog.text}"  # type: ignore[arg-type]
    assert SECRET not in shown
    assert basic(f"loader:{SECRET}") not in shown


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A file with a certificate of localhost and its key, and one with the certificate alone."""
    signed, key = certificate()
    both, alone = folder / "both.pem", folder / "alone.pem"
    both.write_text(key + signed)
    alone.write_text(signed)
    return both, alone


def test_tls_by_certificates_of_ones_own(tmp_path: Path) -> None:
    both, alone = certificate_in(tmp_path)
    with small_registry(both) as registry:
        registry.register(ORDER.subject, ORDER.text)
        assert client(registry.url, ca_file=str(alone)).registered(ORDER).schema_id == 1
        with refusal(RegistryRefusedError, match="SCHEMA_REGISTRY_SSL_CAFILE"):
            client(registry.url).registered(ORDER)


def test_certificates_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    with refusal(ConfigError, match="cannot be asked"):
        client("https://localhost:1", ca_file=str(tmp_path / "none.pem"))


@pytest.mark.parametrize("auto_register", [False, True])
@pytest.mark.parametrize("says", [None, (302, {}), (404, "no page"), (404, {"error": "none"})])
def test_an_address_that_is_no_registrys(
    registry: SmallRegistry, says: tuple[int, object] | None, *, auto_register: bool
) -> None:
    registry.says = says
    with refusal(SchemaRefusedError, match="check the path in SCHEMA_REGISTRY_URL"):
        client(registry.url + "/elsewhere", auto_register=auto_register).registered(ORDER)


@pytest.mark.parametrize("schema_id", ["7", -1, 1 << 31, True, None, 1.0])
def test_an_id_that_is_none(registry: SmallRegistry, schema_id: object) -> None:
    registry.says = 200, {"id": schema_id, "schema": ORDER.text, "version": 1}
    with refusal(SchemaRefusedError, match="gave its schema no id"):
        client(registry.url).registered(ORDER)
