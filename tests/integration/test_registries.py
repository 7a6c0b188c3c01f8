"""What csvkafka asks of a registry of schemas, held by a real one and by the tests' small one."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from csvkafka.errors import SchemaDeletedError, SchemaRefusedError
from csvkafka.registry.client import RegistryClient
from csvkafka.registry.settings import RegistrySettings
from csvkafka.schema.subjects import AVRO, JSON, WireSchema
from tests.registries import apicurio, small_registry


@pytest.fixture(scope="module", params=["apicurio", "small"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "apicurio":
        with apicurio() as real:
            yield real.url
    else:
        with small_registry() as registry:
            yield registry.url


@pytest.fixture
def subject() -> str:
    return f"orders-{uuid4().hex[:8]}-value"


def order(subject: str, kind: str = "int") -> WireSchema:
    text = f'{{"type":"record","name":"o","fields":[{{"name":"id","type":"{kind}"}}]}}'
    return WireSchema(subject, AVRO, text)


def client(url: str, *, auto_register: bool = False) -> RegistryClient:
    return RegistryClient(RegistrySettings(url, auto_register=auto_register))


def test_a_schema_is_registered_once_and_then_found(url: str, subject: str) -> None:
    schema = order(subject)
    with pytest.raises(SchemaRefusedError, match="register it there"):
        client(url).registered(schema)
    first = client(url, auto_register=True).registered(schema)
    assert first.schema_id
    assert client(url, auto_register=True).registered(schema) == first
    assert client(url).registered(schema) == first
    assert client(url).latest_id(subject) == first.schema_id
    client(url).check(first)


def test_another_schema_of_the_subject_is_not_found(url: str, subject: str) -> None:
    client(url, auto_register=True).registered(order(subject))
    with pytest.raises(SchemaRefusedError, match="does not have the schema that CSV_COLUMNS makes"):
        client(url).registered(order(subject, "string"))


def test_an_incompatible_schema_is_not_taken(url: str, subject: str) -> None:
    client(url, auto_register=True).registered(order(subject))
    with pytest.raises(SchemaRefusedError, match=r"[Ii]ncompatible"):
        client(url, auto_register=True).registered(order(subject, "string"))


def test_a_subject_holds_schemas_of_one_type(url: str, subject: str) -> None:
    client(url, auto_register=True).registered(order(subject))
    other = WireSchema(subject, JSON, '{"type":"object"}')
    for auto_register in (False, True):
        with pytest.raises(SchemaRefusedError, match="holds schemas of type AVRO"):
            client(url, auto_register=auto_register).registered(other)


def test_a_json_schema(url: str, subject: str) -> None:
    schema = WireSchema(subject, JSON, '{"type":"object","properties":{"id":{"type":"integer"}}}')
    found = client(url, auto_register=True).registered(schema)
    assert client(url).registered(schema) == found
    client(url).check(found)


def test_an_id_that_there_is_none_of(url: str, subject: str) -> None:
    with pytest.raises(SchemaDeletedError):
        client(url).check(order(subject).with_id(999_999))
    with pytest.raises(SchemaRefusedError):
        client(url).latest_id(subject)
