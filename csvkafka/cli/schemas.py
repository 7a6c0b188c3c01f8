"""The schemas of records for commands that send nothing: their ids, and records as people read
them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from csvkafka.encode.wire import readable
from csvkafka.errors import RegistryUnavailableError, SchemaRefusedError
from csvkafka.registry.client import RegistryClient

if TYPE_CHECKING:
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.job.definition import JobSpec
    from csvkafka.schema.subjects import WireSchema

NO_ID = 0
"""Shown where the registry has not told an id yet; none has this one."""


def with_ids(config: LoadConfig, header: Sequence[str], source_uri: str) -> tuple[JobSpec, str]:
    """The spec with the ids of its schemas as the registry has them now, and what to say of those
    that it does not have (empty: nothing). Nothing is registered.

    Raises ConfigError, RegistryRefusedError, and SchemaRefusedError where a load would register
    nothing either."""
    from csvkafka.job.schemas import with_schemas

    spec = config.spec
    if config.registry is None:
        return spec, ""
    only_asking = replace(config.registry, auto_register=False)
    with closing(RegistryClient(only_asking)) as client:
        try:
            return with_schemas(spec, header, source_uri, client), ""
        except SchemaRefusedError as error:
            if not config.registry.auto_register:
                raise
            note = f"a load would ask to register a schema: {error}"
        except RegistryUnavailableError as error:
            note = str(error)
    return with_no_ids(spec, header), note


def with_no_ids(spec: JobSpec, header: Sequence[str]) -> JobSpec:
    """The spec with NO_ID for each schema that its records name: nothing is asked."""
    schemas = spec.schemas(header)
    if schemas is None:
        return spec
    unknown = schemas.mapped(lambda schema: schema.with_id(NO_ID))
    return replace(spec, known_schemas=unknown.configuration)


def told(data: bytes | None, schema: WireSchema | None) -> tuple[bytes | None, int | None]:
    """A key or value as JSON, and the id of its schema; as it stands, and None, if it has none."""
    if data is None or schema is None:
        return data, None
    content = readable(data, schema)
    text = content if isinstance(content, bytes) else json.dumps(content, default=str).encode()
    return text, schema.schema_id
