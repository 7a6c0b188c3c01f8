"""How to reach a registry of schemas; half-given settings are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from csvkafka.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """`url` may be several, divided by commas. `auto_register`: a schema that the subject lacks is
    registered; else it is only looked up. `basic_auth` is `user:password`, `bearer_token` a token;
    each may be `@FILE` that holds it. `ca_file` are certificates to trust, in PEM.

    Raises ConfigError, which never shows a secret."""

    url: str
    auto_register: bool = False
    basic_auth: str | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        for url in self.url.split(","):
            parts = urlsplit(url.strip())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigError(
                    "SCHEMA_REGISTRY_URL must be the registry's address, such as "
                    "https://registry:8081"
                )
            if parts.username or parts.password:
                raise ConfigError(
                    "SCHEMA_REGISTRY_URL must hold no password, as addresses are shown in logs: "
                    "set SCHEMA_REGISTRY_BASIC_AUTH to user:password"
                )
        if self.basic_auth is not None and self.bearer_token is not None:
            raise ConfigError(
                "SCHEMA_REGISTRY_BASIC_AUTH and SCHEMA_REGISTRY_BEARER_TOKEN exclude each other: "
                "set one of them"
            )
        if ":" not in self.credentials:
            raise ConfigError("SCHEMA_REGISTRY_BASIC_AUTH must be user:password, or @FILE")
        self.token  # noqa: B018 - a file that cannot be read is found here
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise ConfigError(
                f"SCHEMA_REGISTRY_SSL_CAFILE: there is no file {self.ca_file!r}; name one in PEM"
            )

    @property
    def credentials(self) -> str:
        """User and password, with a colon between; of none, the colon alone."""
        if self.basic_auth is None:
            return ":"
        return _secret(self.basic_auth, "SCHEMA_REGISTRY_BASIC_AUTH")

    @property
    def token(self) -> str | None:
        """The bearer token."""
        if self.bearer_token is None:
            return None
        return _secret(self.bearer_token, "SCHEMA_REGISTRY_BEARER_TOKEN")


def _secret(given: str, variable: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{variable}: cannot read file {given[1:]} ({error}); check it"
        ) from error
