"""Settings that do not fit together are refused by name, and secrets stay secret."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from csvkafka.errors import ConfigError
from csvkafka.kafka.settings import KafkaSettings, MskTokenProvider

SERVERS = ("localhost:9092",)


def test_secrets_do_not_show() -> None:
    settings = KafkaSettings(
        SERVERS,
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_plain_username="loader",
        sasl_plain_password="hunter2",
        ssl_password="hunter3",
    )
    assert "hunter" not in repr(settings)
    assert "loader" in repr(settings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"bootstrap_servers": ()}, "KAFKA_BOOTSTRAP_SERVERS"),
        ({"bootstrap_servers": ("localhost",)}, "host:port"),
        ({"bootstrap_servers": ("localhost:99999",)}, "host:port"),
        ({"bootstrap_servers": ("a:9092;b:9092",)}, "set KAFKA_BOOTSTRAP_SERVERS .*commas"),
        ({"bootstrap_servers": ("a:9092 b:9092",)}, "set KAFKA_BOOTSTRAP_SERVERS .*commas"),
        ({"bootstrap_servers": ('"a:9092',)}, "without quotation marks"),
        ({"security_protocol": "TLS"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"sasl_mechanism": "PLAIN"}, "use SASL_SSL"),
        ({"security_protocol": "SASL_SSL"}, r"set one of PLAIN, .*-512 \(for Amazon"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "-512, not 'GSSAPI'"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"}, "KAFKA_SASL_PLAIN_PASSWORD"),
        ({"aws_msk_iam": True, "aws_region": "eu-west-1"}, "SASL_SSL"),
        ({"aws_msk_iam": True, "security_protocol": "SASL_SSL"}, "region"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        KafkaSettings(**({"bootstrap_servers": SERVERS} | given))


def test_a_missing_tls_file_is_refused_by_name(tmp_path: Path) -> None:
    missing = str(tmp_path / "ca.pem")
    settings = KafkaSettings(SERVERS, security_protocol="SSL", ssl_cafile=missing)
    with pytest.raises(ConfigError, match=r"ca\.pem.*check KAFKA_SSL_CAFILE"):
        settings.connection_config()


def test_tls_verifies_the_broker() -> None:
    config = KafkaSettings(SERVERS, security_protocol="SSL").connection_config()
    context = config["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_without_the_extra_msk_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", None)
    settings = KafkaSettings(
        SERVERS, security_protocol="SASL_SSL", aws_msk_iam=True, aws_region="eu-west-1"
    )
    with pytest.raises(ConfigError, match=r"csvkafka\[msk\]"):
        settings.connection_config()


def test_each_authentication_takes_a_fresh_msk_token() -> None:
    tokens = iter([("first", 1), ("second", 2)])
    provider = MskTokenProvider(
        lambda region: next(tokens) if region == "eu-west-1" else ("", 0), "eu-west-1"
    )
    assert [provider.token(), provider.token()] == ["first", "second"]
