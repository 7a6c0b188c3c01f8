"""A protocol that does not fit the port is named within seconds, on a real broker (F46, F48)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from csvkafka.errors import CsvKafkaError, SinkRefusedError
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.local.broker import Broker
from csvkafka.local.stack import EmbeddedStack
from tests.certificates import certificate

SOON_SECONDS = 15.0

PASSWORD = {
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": "loader",
    "sasl_plain_password": "secret",
}


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """Its first listener speaks plain text, its second one SASL over TLS."""
    # Kafka's properties have PEM in one line.
    chain, key = (part.strip().replace("\n", "\\n") for part in certificate())
    properties = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        "PROXIED:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": chain,
        "ssl.keystore.key": key,
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.proxied.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain."
        'PlainLoginModule required user_loader="secret";',
    }
    with EmbeddedStack(properties=properties) as stack:
        yield stack.brokers[0]


def refused(address: str, **settings: object) -> CsvKafkaError:
    """The error of a first contact, which comes soon."""
    client = KafkaClient(KafkaSettings((address,), **settings))  # type: ignore[arg-type]
    begun = time.monotonic()
    try:
        with pytest.raises(SinkRefusedError) as raised:
            client.connect()
    finally:
        client.close()
    assert time.monotonic() - begun < SOON_SECONDS
    return raised.value


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT"])
def test_a_port_of_sasl_over_tls_is_named(broker: Broker, protocol: str) -> None:
    more = PASSWORD if protocol.startswith("SASL") else {}
    error = refused(broker.proxied_address, security_protocol=protocol, **more)
    assert f"{broker.proxied_address} speaks SASL_SSL with PLAIN" in str(error)
    assert f"KAFKA_SECURITY_PROTOCOL is {protocol}: set KAFKA_SECURITY_PROTOCOL=SASL_SSL" in str(
        error
    )


@pytest.mark.parametrize("protocol", ["SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_a_port_of_plain_text_is_named(broker: Broker, protocol: str) -> None:
    more = PASSWORD if protocol.startswith("SASL") else {}
    error = refused(broker.address, security_protocol=protocol, **more)
    assert f"{broker.address} speaks PLAINTEXT, but KAFKA_SECURITY_PROTOCOL is {protocol}" in str(
        error
    )


def test_a_mechanism_that_the_port_does_not_offer_is_named(broker: Broker) -> None:
    settings = {"security_protocol": "SASL_SSL", **PASSWORD, "sasl_mechanism": "SCRAM-SHA-256"}
    assert "SASL mechanisms PLAIN, but KAFKA_SASL_MECHANISM is SCRAM-SHA-256" in str(
        refused(broker.proxied_address, **settings)
    )


def test_an_untrusted_certificate_is_still_told_as_such(broker: Broker) -> None:
    error = refused(broker.proxied_address, security_protocol="SASL_SSL", **PASSWORD)
    assert "certificate verify failed" in str(error)


def test_the_port_of_the_controllers_is_named(broker: Broker) -> None:
    assert "KRaft controller" in str(refused(broker.controller_address))
