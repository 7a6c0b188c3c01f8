"""The schemas that a table's records name, each with its subject in a registry.

They follow from the table, the file's columns and the topic alone, so a resume makes the same text
again; its id stands in the job's configuration.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from csvkafka.errors import ConfigError
from csvkafka.schema import avro, json_schema
from csvkafka.schema.table import KeyFormat, RecordFormat, RecordTable, SubjectBy

AVRO, JSON = "AVRO", "JSON"
"""The types of schemas, as registries call them."""

VALUE, KEY = "value schema", "key schema"
"""What a job's configuration calls the two."""


@dataclass(frozen=True, slots=True)
class WireSchema:
    """A schema, and the subject under which it is registered. `schema_id` is the registry's; None:
    not asked yet."""

    subject: str
    schema_type: str
    text: str
    schema_id: int | None = None

    @property
    def stored(self) -> str:
        """What a job's configuration says of it."""
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.subject}, id {self.schema_id}, {self.schema_type} sha256 {digest[:16]}"

    def with_id(self, schema_id: int) -> WireSchema:
        """The same, with the registry's id."""
        return replace(self, schema_id=schema_id)

    def as_stored(self, stored: str) -> WireSchema:
        """With the id that a job's configuration has for it; without one if that is of another."""
        found = re.search(r", id ([0-9]+), ", stored)
        known = self if found is None else self.with_id(int(found[1]))
        return known if known.stored == stored else self


@dataclass(frozen=True, slots=True)
class WireSchemas:
    """The schemas of a job's records: None where a record has none."""

    value: WireSchema | None = None
    key: WireSchema | None = None

    @property
    def configuration(self) -> dict[str, str]:
        """As a job's configuration has them."""
        roles = {VALUE: self.value, KEY: self.key}
        return {role: schema.stored for role, schema in roles.items() if schema is not None}

    def as_stored(self, configuration: Mapping[str, str]) -> WireSchemas:
        """With the ids that a job's configuration has for them."""
        value, key = self.value, self.key
        return WireSchemas(
            None if value is None else value.as_stored(configuration.get(VALUE, "")),
            None if key is None else key.as_stored(configuration.get(KEY, "")),
        )

    def mapped(self, change: Callable[[WireSchema], WireSchema]) -> WireSchemas:
        """What `change` makes of each."""
        return WireSchemas(
            None if self.value is None else change(self.value),
            None if self.key is None else change(self.key),
        )

    def __iter__(self) -> Iterator[WireSchema]:
        return (schema for schema in (self.value, self.key) if schema is not None)


def schemas_of(
    table: RecordTable, names: Sequence[str], topic: str, known: Mapping[str, str] | None = None
) -> WireSchemas:
    """The schemas of the records of a file with these columns in this topic, with the ids that the
    configuration of a job, `known`, has for them.

    Raises ConfigError that names the columns where Avro has no name for them, or where the schema
    that is given does not fit them. One that `known` has was held against them when its job began:
    a later version of csvkafka, which refuses more, does not stop the job."""
    known = known or {}
    name = table.name or re.sub(r"[^A-Za-z0-9_]", "_", re.sub(r"^(?=[0-9])", "_", topic))
    key_is_avro = table.key_format is KeyFormat.AVRO and bool(table.key)
    if key_is_avro or table.format is RecordFormat.AVRO:
        _refuse(avro.name_mistakes(table, names, name), "CSV_COLUMNS")
    value = key = None
    by_topic = table.subject is SubjectBy.TOPIC
    if table.format is not RecordFormat.JSON:
        subject = f"{topic}-value" if by_topic else name
        value = _value(table, names, name, subject, known.get(VALUE, ""))
    if key_is_avro:
        schema = avro.key_schema(table, names, name)
        subject = f"{topic}-key" if by_topic else f"{name}Key"
        key = WireSchema(subject, AVRO, _text(schema))
    return WireSchemas(value, key).as_stored(known)


def _value(
    table: RecordTable, names: Sequence[str], name: str, subject: str, known: str
) -> WireSchema:
    is_avro = table.format is RecordFormat.AVRO
    schema_type = AVRO if is_avro else JSON
    make = avro.value_schema if is_avro else json_schema.json_schema
    made = make(table, names, name)
    if not table.given_schema:
        return WireSchema(subject, schema_type, _text(made))
    given = json.loads(table.given_schema)
    if table.subject is SubjectBy.RECORD and isinstance(given, dict):
        subject = _name_of(given) or name
    schema = WireSchema(subject, schema_type, _text(given))
    if schema.as_stored(known) is schema:
        found = avro.misfits(made, given) if is_avro else json_schema.misfits(made, given)
        _refuse(found, "CSV_COLUMNS: the schema that it names does not fit the columns")
    return schema


def _name_of(given: Mapping[str, str]) -> str:
    """A given schema's own name, which is its subject where records name subjects."""
    name, namespace = given.get("name", given.get("title", "")), given.get("namespace", "")
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _text(schema: object) -> str:
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)


def _refuse(mistakes: Iterator[str], what: str) -> None:
    found = list(mistakes)
    if found:
        raise ConfigError(f"{what}: {'; '.join(found)}; repair the table or the schema")
