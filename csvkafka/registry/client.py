"""Asks a registry by confluent-kafka's client; every failure is one sentence, in its words."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from csvkafka.errors import (
    ConfigError,
    RegistryError,
    RegistryRefusedError,
    RegistryUnavailableError,
    SchemaDeletedError,
    SchemaRefusedError,
)
from csvkafka.registry.settings import RegistrySettings
from csvkafka.schema.subjects import AVRO, WireSchema

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
    from confluent_kafka.schema_registry.error import SchemaRegistryError

TIMEOUT_SECONDS = 10
RETRIES = 2
"""Of a request, where the registry does not answer or says that it is not well."""

LARGEST_ID = (1 << 31) - 1
"""Each record has the id in four bytes, which Java reads as signed."""

_NO_SUBJECT, _NO_SCHEMA = 40401, 40403
_NO_PATH = (404, -1, None)
"""Codes of an address that is none of the API's: no page is there, or the answer has no code."""
_REFUSED_STATUS = (401, 403)
_BUSY_STATUS = (408, 429)

T = TypeVar("T")


class RegistryClient:
    """One registry. Safe for one thread; closed by `close`."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Asks nothing yet. Raises ConfigError."""
        self._settings = settings
        self._client = _client(settings)

    def close(self) -> None:
        """Ends its connections."""
        self._client.close()

    def registered(self, schema: WireSchema) -> WireSchema:
        """The schema, with the id that the registry has for it in its subject; there it is looked
        up, or registered if the settings say so. The same question may be asked again.

        Raises RegistryUnavailableError, RegistryRefusedError, SchemaRefusedError."""
        if self._settings.auto_register:
            # Not every registry refuses a schema of another type than its subject's others.
            if other := self._other_type(schema):
                raise SchemaRefusedError(other)
            schema_id = self._ask(
                lambda: self._client.register_schema(
                    schema.subject, _wire(schema), normalize_schemas=True
                ),
                lambda error: self._not_registered(schema, error),
            )
        else:
            schema_id = self._ask(
                lambda: (
                    self._client.lookup_schema(
                        schema.subject, _wire(schema), normalize_schemas=True
                    ).schema_id
                ),
                lambda error: self._not_found(schema, error),
            )
        if type(schema_id) is not int or not 0 <= schema_id <= LARGEST_ID:
            raise SchemaRefusedError(
                f"subject {schema.subject}: the registry at {self._settings.url} gave its schema "
                "no id; check that the address is a schema registry's (SCHEMA_REGISTRY_URL)"
            )
        return schema.with_id(schema_id)

    def text_of(self, schema_id: int) -> str:
        """The text of the schema with this id.

        Raises SchemaDeletedError if there is none, and as `registered`."""
        self._client.clear_caches()
        found = self._ask(
            lambda: self._client.get_schema(schema_id),
            lambda error: _gone(schema_id, _words(error)),
        )
        text: str | None = found.schema_str
        if text is None:
            raise _gone(schema_id, "it has no text")
        return text

    def latest_id(self, subject: str) -> int:
        """The id of the newest schema in a subject. Raises as `registered`."""
        latest = self._ask(
            lambda: self._client.get_latest_version(subject),
            lambda error: SchemaRefusedError(
                f"subject {subject} of the registry at {self._settings.url} has no schema: "
                f"{_words(error)}; check SCHEMA_REGISTRY_URL"
            ),
        )
        return int(latest.schema_id)

    def check(self, schema: WireSchema) -> None:
        """Raises SchemaDeletedError if the schema's id does not mean that schema any more, and as
        `registered`."""
        assert schema.schema_id is not None
        if not _is_same(schema, self.text_of(schema.schema_id)):
            raise SchemaDeletedError(
                f"subject {schema.subject}: id {schema.schema_id} is another schema now in the "
                f"registry at {self._settings.url}, so nobody can read this job's records; check "
                "SCHEMA_REGISTRY_URL, or restore the registry"
            )

    def _ask(self, ask: Callable[[], T], said: Callable[[SchemaRegistryError], RegistryError]) -> T:
        """The answer. What a registry refused is as `said` makes of it, if it is not about us."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return ask()
        except SchemaRegistryError as error:
            status = error.http_status_code
            if status in _REFUSED_STATUS:
                raise RegistryRefusedError(
                    f"the registry at {self._settings.url} refused us: {_words(error)}; set "
                    "SCHEMA_REGISTRY_BASIC_AUTH or SCHEMA_REGISTRY_BEARER_TOKEN, or give that user "
                    "the right to read (and to write, to register) the subject"
                ) from error
            if status >= 500 or status in _BUSY_STATUS:
                raise self._unavailable(_words(error)) from error
            raise said(error) from error
        except Exception as error:
            # What the client raises where nobody answers is of a package that it stands on.
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise RegistryRefusedError(
                    f"the certificate of the registry at {self._settings.url} is not trusted "
                    f"({error}); set SCHEMA_REGISTRY_SSL_CAFILE to the certificates of who "
                    "signed it"
                ) from error
            raise self._unavailable(str(error) or type(error).__name__) from error

    def _unavailable(self, why: str) -> RegistryUnavailableError:
        return RegistryUnavailableError(
            f"the registry at {self._settings.url} does not answer ({why}); check "
            "SCHEMA_REGISTRY_URL and the network, and run again"
        )

    def _not_found(self, schema: WireSchema, error: SchemaRegistryError) -> RegistryError:
        """Why a schema is not in its subject."""
        subject = schema.subject
        if error.error_code not in (_NO_SUBJECT, _NO_SCHEMA):
            return self._not_registered(schema, error)
        if other := self._other_type(schema):
            return SchemaRefusedError(other)
        return SchemaRefusedError(
            f"subject {subject} of the registry at {self._settings.url} does not have the schema "
            f"that CSV_COLUMNS makes: {_words(error)}; register it there, name the one that the "
            "subject has (schema in CSV_COLUMNS), or set SCHEMA_REGISTRY_AUTO_REGISTER=true. It "
            f"is {schema.text}"
        )

    def _not_registered(self, schema: WireSchema, error: SchemaRegistryError) -> RegistryError:
        """Why the registry takes no such schema."""
        if other := self._other_type(schema):
            return SchemaRefusedError(other)
        status = error.http_status_code
        if status < 400 or (status == 404 and error.error_code in _NO_PATH):
            return SchemaRefusedError(
                f"subject {schema.subject}: {self._settings.url} is no address of a registry's API "
                f"({_words(error)}); check the path in SCHEMA_REGISTRY_URL"
            )
        return SchemaRefusedError(
            f"the registry at {self._settings.url} does not take the schema for subject "
            f"{schema.subject}: {_words(error)}; change CSV_COLUMNS so that the schema is "
            "compatible, or let the subject take it"
        )

    def _other_type(self, schema: WireSchema) -> str:
        """What to say if the subject holds schemas of another type; empty if not, or if that
        cannot be told."""
        try:
            latest = self._ask(
                lambda: self._client.get_latest_version(schema.subject),
                lambda error: SchemaRefusedError(_words(error)),
            )
        except (SchemaRefusedError, RegistryRefusedError):
            return ""
        held = AVRO if latest.schema is None else latest.schema.schema_type or AVRO
        if held == schema.schema_type:
            return ""
        return (
            f"subject {schema.subject} of the registry at {self._settings.url} holds schemas of "
            f"type {held}, and CSV_COLUMNS says {schema.schema_type}; set format in CSV_COLUMNS, "
            "or load into another topic"
        )


def _client(settings: RegistrySettings) -> SchemaRegistryClient:
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
    except ImportError as error:
        raise ConfigError(
            f"a schema registry (SCHEMA_REGISTRY_URL) needs packages that are missing ({error}); "
            'install "csvkafka[registry]"'
        ) from error
    # Each request as a line of INFO says nothing to who runs a load.
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    configuration: dict[str, object] = {
        "url": settings.url,
        "timeout": TIMEOUT_SECONDS,
        "max.retries": RETRIES,
        "retries.wait.ms": 200,
        "retries.max.wait.ms": 1000,
    }
    if settings.ca_file is not None:
        configuration["ssl.ca.location"] = settings.ca_file
    if settings.basic_auth is not None:
        configuration["basic.auth.user.info"] = settings.credentials
    if (token := settings.token) is not None:
        configuration |= {
            "bearer.auth.credentials.source": "STATIC_TOKEN",
            "bearer.auth.token": token,
            "bearer.auth.logical.cluster": "",
            "bearer.auth.identity.pool.id": "",
        }
    try:
        return SchemaRegistryClient(configuration)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the registry at {settings.url} cannot be asked: {error}; check "
            "SCHEMA_REGISTRY_SSL_CAFILE"
        ) from error


def _wire(schema: WireSchema) -> Schema:
    from confluent_kafka.schema_registry import Schema

    return Schema(schema.text, schema.schema_type)


def _words(error: SchemaRegistryError) -> str:
    """What the registry said, on one line."""
    return f"{' '.join(str(error.error_message).split())!r} ({error.http_status_code})"


def _gone(schema_id: int, why: str) -> SchemaDeletedError:
    return SchemaDeletedError(
        f"SCHEMA_REGISTRY_URL has no schema with id {schema_id} any more ({why}), so nobody can "
        "read this job's records; restore the schema, then run again"
    )


def _is_same(schema: WireSchema, text: str) -> bool:
    """Whether a text from the registry, which may have written it anew, is that schema."""
    if schema.schema_type != AVRO:
        return bool(json.loads(schema.text) == json.loads(text))
    from fastavro.schema import to_parsing_canonical_form as canonical

    return bool(canonical(json.loads(schema.text)) == canonical(json.loads(text)))
