"""What a port speaks is told from its first bytes; the answers are those of Apache Kafka 4.3."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from csvkafka.kafka.port import Spoken, mismatch, spoken_at
from csvkafka.kafka.settings import KafkaSettings
from tests.unit.kafka.ports import Serve, port, says

TLS_ALERT = bytes.fromhex("15030300020250")
"""What a broker's TLS port says to anything but TLS: a fatal alert, internal error."""

VERSIONS = bytes.fromhex("00000016 00000012 0000 00000002 0003 0000 000d 0012 0000 0004")
CONTROLLER_VERSIONS = bytes.fromhex("00000010 00000012 0000 00000001 0012 0000 0004")
NO_SASL = bytes.fromhex("0000000a 00000011 0022 00000000")
SASL = bytes.fromhex("00000020 00000011 0021 00000002 0005") + b"PLAIN" + b"\0\x0dSCRAM-SHA-256"


def resets_after(answer: bytes) -> Serve:
    """Answers one request, and breaks the connection (RST) instead of ending it."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)
        connection.recv(4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return serve


@pytest.mark.parametrize(
    ("serve", "spoken"),
    [
        (says(VERSIONS, NO_SASL), Spoken(mechanisms=())),
        (says(VERSIONS, SASL), Spoken(mechanisms=("PLAIN", "SCRAM-SHA-256"))),
        (says(VERSIONS), Spoken(mechanisms=None)),
        (resets_after(VERSIONS), Spoken(mechanisms=None)),
        (says(TLS_ALERT), Spoken(uses_tls=True)),
        (says(b"HTTP/1.1 400 Bad Request\r\n"), Spoken(other=r"it answered 'HTTP/1.1 400 Bad")),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), Spoken(other="it answered 'SSH-2.0-OpenSSH_9.6")),
        (says(CONTROLLER_VERSIONS), Spoken(other="it is a KRaft controller")),
        (says(), None),
    ],
    ids=["plain", "sasl", "lost", "reset", "tls", "http", "ssh", "controller", "hangs up"],
)
def test_what_is_spoken_is_told_from_the_first_bytes(serve: Serve, spoken: Spoken | None) -> None:
    with port(serve) as number:
        told = spoken_at("127.0.0.1", number)
    if spoken is None or told is None:
        assert told is spoken
    else:
        assert told.other.startswith(spoken.other)
        assert (told.uses_tls, told.mechanisms) == (spoken.uses_tls, spoken.mechanisms)


def test_nobody_and_silence_tell_nothing_in_bounded_time() -> None:
    begun = time.monotonic()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert spoken_at("127.0.0.1", nobody.getsockname()[1]) is None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert spoken_at("127.0.0.1", silent.getsockname()[1]) is None
    assert time.monotonic() - begun < 5


PASSWORD = {
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": "loader",
    "sasl_plain_password": "secret",
}


@pytest.mark.parametrize(
    ("serve", "settings", "said"),
    [
        (
            says(TLS_ALERT),
            {},
            "speaks SSL, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT: set KAFKA_SECURITY_PROTOCOL=SSL",
        ),
        (
            says(VERSIONS, NO_SASL),
            {"security_protocol": "SSL"},
            "speaks PLAINTEXT, but KAFKA_SECURITY_PROTOCOL is SSL",
        ),
        (
            says(VERSIONS, SASL),
            {},
            "speaks SASL_PLAINTEXT with PLAIN, SCRAM-SHA-256, but KAFKA_SECURITY_PROTOCOL is "
            "PLAINTEXT: set KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT, KAFKA_SASL_MECHANISM",
        ),
        (
            says(VERSIONS, NO_SASL),
            {"security_protocol": "SASL_PLAINTEXT", **PASSWORD},
            "set KAFKA_SECURITY_PROTOCOL=PLAINTEXT, or name the port that speaks SASL_PLAINTEXT",
        ),
        (
            says(VERSIONS, SASL),
            {
                "security_protocol": "SASL_PLAINTEXT",
                **PASSWORD,
                "sasl_mechanism": "SCRAM-SHA-512",
            },
            "PLAIN, SCRAM-SHA-256, but KAFKA_SASL_MECHANISM is SCRAM-SHA-512",
        ),
        (says(b"HTTP/1.1 400 \r\n"), {}, "no Kafka broker.*KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_a_port_that_speaks_otherwise_names_the_setting(
    serve: Serve, settings: dict[str, str], said: str
) -> None:
    with port(serve) as number:
        given = KafkaSettings((f"127.0.0.1:{number}",), **settings)  # type: ignore[arg-type]
        wrong = mismatch(given, "127.0.0.1", number)
    assert wrong is not None
    assert wrong.args[0].startswith(f"127.0.0.1:{number} ")
    with pytest.raises(type(wrong), match=said):
        raise wrong


@pytest.mark.parametrize(
    ("serve", "settings"),
    [
        (says(VERSIONS, NO_SASL), {}),
        (says(VERSIONS), {}),
        (says(VERSIONS, SASL), {"security_protocol": "SASL_PLAINTEXT", **PASSWORD}),
        (says(TLS_ALERT), {"security_protocol": "SSL"}),
        (says(TLS_ALERT), {"security_protocol": "SASL_SSL", **PASSWORD}),
    ],
)
def test_a_port_that_speaks_as_it_is_told_is_no_mismatch(
    serve: Serve, settings: dict[str, str]
) -> None:
    with port(serve) as number:
        given = KafkaSettings((f"127.0.0.1:{number}",), **settings)  # type: ignore[arg-type]
        assert mismatch(given, "127.0.0.1", number) is None
