"""Half-given settings of a registry are refused, and no message shows a secret."""

from __future__ import annotations

from typing import Any

import pytest

from csvkafka.errors import ConfigError
from csvkafka.registry.settings import RegistrySettings
from tests.refusals import refusal

URL = "https://registry:8081"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "registry:8081"}, "SCHEMA_REGISTRY_URL must be the registry's address"),
        ({"url": "mock://x"}, "SCHEMA_REGISTRY_URL must be the registry's address"),
        ({"url": f"{URL},ftp://other"}, "SCHEMA_REGISTRY_URL must be the registry's address"),
        ({"url": "https://me:s3cr3t@registry"}, "SCHEMA_REGISTRY_URL must hold no password"),
        ({"basic_auth": "s3cr3t"}, "must be user:password"),
        ({"basic_auth": "me:s3cr3t", "bearer_token": "s3cr3t"}, "exclude each other"),
        ({"bearer_token": "@/none/s3"}, "BEARER_TOKEN: cannot read file /none/s3"),
        ({"ca_file": "/none"}, "SCHEMA_REGISTRY_SSL_CAFILE: there is no file '/none'"),
    ],
)
def test_refused(settings: dict[str, Any], said: str) -> None:
    with refusal(ConfigError, match=said) as caught:
        RegistrySettings(**{"url": URL, **settings})
    assert "s3cr3t" not in str(caught.value)


def test_several_addresses_are_taken() -> None:
    assert RegistrySettings(f"{URL}, http://other").credentials == ":"
