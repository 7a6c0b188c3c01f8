"""What a port speaks, told from the first bytes of its answer: Kafka, TLS, SASL, or none of them.

It is asked only after a connection was made and then failed: a broker that is spoken to in the
wrong protocol just hangs up, or sends a few bytes of another one. Each look opens connections of
its own, blocks for at most a few seconds, and changes nothing on the server.
"""

from __future__ import annotations

import socket
import ssl
import struct
from dataclasses import dataclass

from csvkafka.errors import SinkRefusedError
from csvkafka.kafka.settings import KafkaSettings

LOOK_SECONDS = 1.5
"""Bounds each of the two connections of a look, and each answer on them."""

_API_VERSIONS, _SASL_HANDSHAKE, _METADATA = 18, 17, 3
_ILLEGAL_SASL_STATE = 34
_NO_MECHANISM = b"csvkafka"
"""The name of no SASL mechanism: a port with SASL refuses it, and tells those that it has."""

_LARGEST_ANSWER_BYTES = 1 << 16
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # an alert, a handshake message
_SHOWN_BYTES = 40


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a port speaks. `mechanisms`: those of SASL, none if it has no SASL, None if unknown.
    `other` describes a server that is no broker, and then the rest says nothing."""

    uses_tls: bool = False
    mechanisms: tuple[str, ...] | None = None
    other: str = ""

    @property
    def protocol(self) -> str:
        """The value of KAFKA_SECURITY_PROTOCOL that fits; without SASL where that is unknown."""
        security = "SSL" if self.uses_tls else "PLAINTEXT"
        return f"SASL_{security}" if self.mechanisms else security


def mismatch(settings: KafkaSettings, host: str, port: int) -> SinkRefusedError | None:
    """The error to raise if the port speaks something else than the settings say; None: it does
    not, or nothing could be told."""
    spoken = spoken_at(host, port)
    if spoken is None:
        return None
    place, given = f"{host}:{port}", settings.security_protocol
    if spoken.other:
        return SinkRefusedError(
            f"{place} is no Kafka broker that a client can use: {spoken.other}; check host and "
            "port in KAFKA_BOOTSTRAP_SERVERS"
        )
    sasl_differs = spoken.mechanisms is not None and bool(spoken.mechanisms) != settings.uses_sasl
    if spoken.uses_tls != settings.uses_tls or sasl_differs:
        offered = f" with {', '.join(spoken.mechanisms)}" if spoken.mechanisms else ""
        remedy = f"set KAFKA_SECURITY_PROTOCOL={spoken.protocol}"
        if spoken.mechanisms and not settings.uses_sasl:
            remedy += ", KAFKA_SASL_MECHANISM and the user name and password that go with it"
        return SinkRefusedError(
            f"{place} speaks {spoken.protocol}{offered}, but KAFKA_SECURITY_PROTOCOL is {given}: "
            f"{remedy}, or name the port that speaks {given}"
        )
    mechanism = "OAUTHBEARER" if settings.aws_msk_iam else settings.sasl_mechanism
    if spoken.mechanisms and mechanism not in spoken.mechanisms:
        return SinkRefusedError(
            f"{place} offers the SASL mechanisms {', '.join(spoken.mechanisms)}, but "
            f"KAFKA_SASL_MECHANISM is {mechanism}: set one that it offers, or name the port that "
            f"offers {mechanism}"
        )
    return None


def spoken_at(host: str, port: int) -> Spoken | None:
    """What the port speaks; None: nobody listens there, or the answers tell nothing."""
    try:
        first = _answer(host, port, None)
    except OSError:
        return None
    if isinstance(first, Spoken):
        return first
    if first and not first.startswith(_TLS_RECORDS):
        return Spoken(other=f"it answered {_shown(first)}")
    context = ssl.create_default_context()
    context.check_hostname = False  # it is asked what it speaks, and told nothing
    context.verify_mode = ssl.CERT_NONE
    try:
        inside = _answer(host, port, context)
    except OSError:  # ssl.SSLError is one: it wants a certificate of ours
        inside = b""
    if isinstance(inside, Spoken):
        return inside
    if inside:
        return Spoken(other=f"inside TLS it answered {_shown(inside)}")
    return Spoken(uses_tls=True) if first else None


def _answer(host: str, port: int, context: ssl.SSLContext | None) -> Spoken | bytes:
    """What a broker says of itself, or the first bytes of anything else; none after silence."""
    with socket.create_connection((host, port), LOOK_SECONDS) as plain:
        connection = plain if context is None else context.wrap_socket(plain)
        try:
            head, versions = _asked(connection, _API_VERSIONS, 0, b"")
            if versions is None:
                return head
            if not _has_metadata(versions):
                return Spoken(other="it is a KRaft controller, which serves no clients")
            name = struct.pack(">h", len(_NO_MECHANISM)) + _NO_MECHANISM
            try:
                _, handshake = _asked(connection, _SASL_HANDSHAKE, 1, name)
            except ConnectionError:
                handshake = None  # a broker it is: who hung up had answered before
            return Spoken(context is not None, _mechanisms(handshake))
        except (TimeoutError, ConnectionError, struct.error):
            return b""


def _asked(
    connection: socket.socket, api_key: int, version: int, body: bytes
) -> tuple[bytes, bytes | None]:
    """The answer's first bytes, and its content if it is a frame that answers our request."""
    client = struct.pack(">h", 8) + b"csvkafka"
    request = struct.pack(">hhi", api_key, version, api_key) + client + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    received = b""
    while len(received) < 8:
        if not (more := connection.recv(4096)):
            return received, None
        received += more
    length, correlation_id = struct.unpack_from(">ii", received)
    if not 4 <= length <= _LARGEST_ANSWER_BYTES or correlation_id != api_key:
        return received, None
    while len(received) < 4 + length:
        if not (more := connection.recv(4096)):
            return received, None
        received += more
    return received, received[8 : 4 + length]


def _has_metadata(versions: bytes) -> bool:
    """Of an answer to ApiVersions: the error code, then (key, lowest, highest) for each request."""
    error_code, count = struct.unpack_from(">hi", versions)
    keys = [key for key, _, _ in struct.iter_unpack(">hhh", versions[6 : 6 + 6 * count])]
    return error_code != 0 or _METADATA in keys


def _mechanisms(handshake: bytes | None) -> tuple[str, ...] | None:
    """Of an answer to SaslHandshake: the error code, then the names of the mechanisms."""
    if handshake is None:
        return None
    error_code, count = struct.unpack_from(">hi", handshake)
    if error_code == _ILLEGAL_SASL_STATE:
        return ()
    names, place = [], 6
    for _ in range(count):
        (length,) = struct.unpack_from(">h", handshake, place)
        names.append(handshake[place + 2 : place + 2 + length].decode("utf-8", "replace"))
        place += 2 + length
    return tuple(names) or None


def _shown(answer: bytes) -> str:
    """The first bytes as text that a log can hold."""
    return repr(answer[:_SHOWN_BYTES])[1:]
