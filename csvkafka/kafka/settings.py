"""How to reach the Kafka cluster: addresses, security and time limits, checked when they are made.

Names and defaults are Kafka's, but for the time limits: csvkafka resends by itself, so a short
reconnect backoff only makes recovery quicker. Secrets never appear in `repr`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from kafka.net.sasl.oauth import AbstractTokenProvider

from csvkafka.errors import ConfigError

MEBIBYTE = 1 << 20

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_NO_HOST = re.compile(r"[\s;,\"']")
_PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach the cluster; refuses settings that do not fit together with ConfigError.

    `bootstrap_servers` holds `host:port`. `aws_msk_iam` authenticates to Amazon MSK with the
    process's AWS credentials (needs the extra `msk`, `SASL_SSL` and `aws_region`).
    `request_timeout_ms` bounds one answer of a broker, `setup_timeout_ms` one attempt to connect,
    `connect_timeout_ms` the whole of `KafkaClient.connect` (a mistyped name or port is to be heard
    of within ten seconds), `answer_timeout_ms` a question that is
    asked again until a broker can answer it. `receive_message_max_bytes` bounds one response."""

    bootstrap_servers: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_plain_username: str | None = None
    sasl_plain_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = field(default=None, repr=False)
    ssl_check_hostname: bool = True
    aws_msk_iam: bool = False
    aws_region: str | None = None
    client_id: str = "csvkafka"
    request_timeout_ms: int = 30_000
    setup_timeout_ms: int = 10_000
    connect_timeout_ms: int = 6_000
    answer_timeout_ms: int = 60_000
    reconnect_backoff_ms: int = 50
    reconnect_backoff_max_ms: int = 1_000
    receive_message_max_bytes: int = 256 * MEBIBYTE

    def __post_init__(self) -> None:
        if not self.bootstrap_servers:
            raise ConfigError("no Kafka server is given; set KAFKA_BOOTSTRAP_SERVERS to host:port")
        for server in self.bootstrap_servers:
            host, _, port = server.rpartition(":")
            is_port = port.isdecimal() and 0 < int(port) < 65_536
            if not is_port or _NO_HOST.search(host):
                raise ConfigError(
                    f"Kafka server {server!r} is not host:port, as in localhost:9092; set "
                    "KAFKA_BOOTSTRAP_SERVERS without quotation marks, several servers with commas "
                    "between them"
                )
        if self.security_protocol not in _PROTOCOLS:
            raise ConfigError(
                f"KAFKA_SECURITY_PROTOCOL {self.security_protocol!r} is not one of "
                f"{', '.join(_PROTOCOLS)}"
            )
        if self.aws_msk_iam:
            self._check_msk()
        elif self.uses_sasl:
            self._check_sasl()
        elif self.sasl_mechanism or self.sasl_plain_username or self.sasl_plain_password:
            raise ConfigError(
                f"SASL settings are given, but KAFKA_SECURITY_PROTOCOL={self.security_protocol} "
                "would send without them; use SASL_SSL (or SASL_PLAINTEXT)"
            )

    @property
    def uses_sasl(self) -> bool:
        """The connection authenticates by SASL."""
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        """The connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def principal(self) -> str:
        """Who we are to the brokers, as far as we know: the word that an ACL needs."""
        if self.aws_msk_iam:
            return "the AWS identity of this process"
        if self.uses_sasl:
            return f"User:{self.sasl_plain_username}"
        if self.ssl_certfile:
            return f"the subject of {self.ssl_certfile}"
        return "User:ANONYMOUS"

    def _check_msk(self) -> None:
        if self.security_protocol != "SASL_SSL":
            raise ConfigError(
                "authentication to Amazon MSK by IAM needs KAFKA_SECURITY_PROTOCOL=SASL_SSL; set it"
            )
        if not self.aws_region:
            raise ConfigError(
                "authentication to Amazon MSK by IAM needs the AWS region; set AWS_REGION"
            )

    def _check_sasl(self) -> None:
        if self.sasl_mechanism not in _PASSWORD_MECHANISMS:
            given = f", not {self.sasl_mechanism!r}" if self.sasl_mechanism else ""
            raise ConfigError(
                f"{self.security_protocol} needs a KAFKA_SASL_MECHANISM: set one of "
                f"{', '.join(_PASSWORD_MECHANISMS)}{given} (for Amazon MSK by IAM set "
                "KAFKA_AWS_MSK_IAM)"
            )
        if self.sasl_plain_username is None or self.sasl_plain_password is None:
            raise ConfigError(
                f"{self.sasl_mechanism} needs both KAFKA_SASL_PLAIN_USERNAME and "
                "KAFKA_SASL_PLAIN_PASSWORD; set both"
            )

    def connection_config(self) -> dict[str, object]:
        """Arguments for kafka-python's connection manager; reads the TLS files.

        Raises ConfigError if a file cannot be used or the extra `msk` is missing."""
        return {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "sasl_mechanism": "OAUTHBEARER" if self.aws_msk_iam else self.sasl_mechanism,
            "sasl_plain_username": self.sasl_plain_username,
            "sasl_plain_password": self.sasl_plain_password,
            "sasl_oauth_token_provider": self._token_provider(),
            "ssl_context": self._ssl_context() if self.uses_tls else None,
            "request_timeout_ms": self.request_timeout_ms,
            "socket_connection_setup_timeout_ms": self.setup_timeout_ms,
            "socket_connection_setup_timeout_max_ms": self.setup_timeout_ms,
            "reconnect_backoff_ms": self.reconnect_backoff_ms,
            "reconnect_backoff_max_ms": self.reconnect_backoff_max_ms,
            "receive_message_max_bytes": self.receive_message_max_bytes,
            # What is in flight is bounded by the sequencer, per lane; here a limit would only
            # make requests fail that must wait.
            "max_in_flight_requests_per_connection": 1_000_000,
        }

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, self.ssl_password)
        except OSError as error:  # ssl.SSLError is one
            files = ", ".join(filter(None, (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile)))
            raise ConfigError(
                f"the TLS files for Kafka cannot be used ({files}): {error}; check "
                "KAFKA_SSL_CAFILE, KAFKA_SSL_CERTFILE, KAFKA_SSL_KEYFILE (PEM files that may be "
                "read, the key that of the certificate) and KAFKA_SSL_PASSWORD"
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.ssl_check_hostname
        return context

    def _token_provider(self) -> AbstractTokenProvider | None:
        if not self.aws_msk_iam or self.aws_region is None:
            return None
        try:
            from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
        except ImportError as error:
            raise ConfigError(
                "authentication to Amazon MSK by IAM needs another package: "
                'pip install "csvkafka[msk]"'
            ) from error
        return MskTokenProvider(MSKAuthTokenProvider.generate_auth_token, self.aws_region)


class MskTokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """OAUTHBEARER tokens for Amazon MSK, a fresh one for each authentication.

    `generate` signs one for a region and returns (token, expiry in ms); signing is local, so a
    token need not be kept."""

    def __init__(self, generate: Callable[[str], tuple[str, int]], region: str) -> None:
        super().__init__()
        self._generate = generate
        self._region = region

    def token(self) -> str:
        """A token that is valid now."""
        return self._generate(self._region)[0]
