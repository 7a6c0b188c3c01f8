"""The schemas that records name: asked for before the first row, and looked after.

A job's ids stand in its item. So a resume never encodes by another version of a schema, and goes on
while no registry answers; if one answers, it must still have the schemas.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from csvkafka.errors import RegistryRefusedError, RegistryUnavailableError
from csvkafka.interfaces import SchemaRegistry
from csvkafka.job.definition import JobSpec

if TYPE_CHECKING:
    from csvkafka.schema.subjects import WireSchemas

log = logging.getLogger(__name__)


def with_schemas(
    spec: JobSpec, header: Sequence[str], source_uri: str, registry: SchemaRegistry | None
) -> JobSpec:
    """The spec of a job that begins, with the ids of its schemas.

    Raises ConfigError where table and columns do not fit, and errors of the registry."""
    table = spec.whole_table
    if table is None or not table.needs_registry:
        return spec
    from csvkafka.schema.fitting import check_columns

    check_columns(table, spec.columns(header), source_uri)
    schemas = spec.schemas(header)
    assert schemas is not None
    assert registry is not None
    if all(schema.schema_id is not None for schema in schemas):
        return spec
    found = schemas.mapped(registry.registered)
    for schema in found:
        log.info(
            "Records name schema %s of subject %s (%s)",
            schema.schema_id,
            schema.subject,
            schema.schema_type,
        )
    return replace(spec, known_schemas=found.configuration)


def check_schemas(schemas: WireSchemas | None, registry: SchemaRegistry | None) -> list[str]:
    """Asks whether a job's schemas are still there. Returns warnings, where nobody answers.

    Raises SchemaDeletedError."""
    try:
        for schema in schemas or ():
            if registry is not None:
                registry.check(schema)
    except (RegistryUnavailableError, RegistryRefusedError) as error:
        return [f"whether the job's schemas are still there is not known, as {error}"]
    return []
