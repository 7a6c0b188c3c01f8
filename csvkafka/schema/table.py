"""The declared table of a job: what becomes of each column, as plain values.

Frozen and hashable, as it is part of the plan by which rows are encoded. `declaration` reads it
from TOML, `types` gives a column's converter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

OWN_FIELDS = ("_source_line", "_source_file")
"""What a record says of where its row stands: the number of the row, and the file."""


class Kind(StrEnum):
    """The types that a column can have; what each refuses is in `types`."""

    STRING = "string"
    INT = "int"  # 32 bits
    LONG = "long"  # 64 bits
    FLOAT = "float"  # 32 bits, as IEEE 754 has it
    DOUBLE = "double"  # 64 bits
    BOOLEAN = "boolean"
    DECIMAL = "decimal"  # decimal(precision, scale)
    DATE = "date"  # date or date(format)
    TIMESTAMP = "timestamp"  # timestamp(format, zone)
    JSON = "json"  # the field holds JSON, which becomes a part of the record


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type as declared. `precision` and `scale` count the digits of a decimal, all and those
    after the point. `format` is one of `time.strptime`, or "iso". `zone` is an IANA name, or
    "local" for times of no zone; empty where `format` reads an offset."""

    kind: Kind = Kind.STRING
    precision: int = 0
    scale: int = 0
    format: str = ""
    zone: str = ""

    def __str__(self) -> str:
        match self.kind:
            case Kind.DECIMAL:
                return f"decimal({self.precision},{self.scale})"
            case Kind.DATE | Kind.TIMESTAMP:
                arguments = ", ".join(filter(None, (self.format, self.zone)))
                return f"{self.kind}({arguments})" if arguments else str(self.kind)
        return str(self.kind)


class Ambiguous(StrEnum):
    """What is meant by a time that a clock shows twice, because summer time ends."""

    REFUSE = "refuse"
    FIRST = "first"
    SECOND = "second"


class KeyFormat(StrEnum):
    """How a record's key is written."""

    TEXT = "text"  # the text of the one column, as in the file
    JSON = "json"  # an object of the columns' values, as the record has them
    AVRO = "avro"  # a record of the columns' values, by a schema of its own


class RecordFormat(StrEnum):
    """How a record's value is written."""

    JSON = "json"
    AVRO = "avro"  # Confluent's wire format: a zero, the schema's id in 4 bytes, Avro's binary
    JSON_SCHEMA = "json-schema"  # the same five bytes, then JSON that the schema describes


class SubjectBy(StrEnum):
    """What names the subject of a schema in the registry."""

    TOPIC = "topic"  # TOPIC-value, TOPIC-key
    RECORD = "record"  # the record's whole name


class Metadata(StrEnum):
    """Where a record carries `_source_line` and `_source_file`."""

    VALUE = "value"
    HEADERS = "headers"
    NONE = "none"


class Undeclared(StrEnum):
    """What becomes of a column that the table does not name."""

    REFUSE = "refuse"
    STRING = "string"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `nulls` are the texts that mean null; None: those of the table.

    `shown_first` and `shown_last` are how many characters a mask leaves; both 0 with `is_masked`:
    none. `trues` and `falses` are the texts of a boolean."""

    name: str
    type: ColumnType = ColumnType()
    nulls: tuple[str, ...] | None = None
    rename: str | None = None
    is_dropped: bool = False
    constant: str | int | float | bool | None = None
    is_hashed: bool = False
    is_masked: bool = False
    shown_first: int = 0
    shown_last: int = 0
    leading_zeros: bool = False
    as_text: bool = False
    ambiguous: Ambiguous = Ambiguous.REFUSE
    trues: tuple[str, ...] = ("true",)
    falses: tuple[str, ...] = ("false",)

    @property
    def field(self) -> str:
        """What the record calls it."""
        return self.name if self.rename is None else self.rename


class Test(StrEnum):
    """What is asked of a field's text."""

    IN = "in"  # it is one of some texts
    MATCHES = "matches"  # all of it fits a regular expression
    EMPTY = "empty"  # it is empty, or means null


@dataclass(frozen=True, slots=True)
class Drop:
    """Which rows make no record: those whose field in `column`, as it stands in the file, passes
    the test; with `is_negated`, those whose field does not. `texts` are for IN, `pattern` (of
    Python's `re`) is for MATCHES."""

    column: str
    test: Test
    texts: tuple[str, ...] = ()
    pattern: str = ""
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Rows whose field in `column`, as it stands in the file, is one of `texts` go to `topic`."""

    topic: str
    column: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordTable:
    """The whole declaration. `key` names columns of the file; `hash_key` is the secret of hashed
    columns. Where there are schemas, `name` is the record's (empty: the topic's), and
    `given_schema` the text of one that the columns must fit (empty: made from the columns). A row
    that one of `drops` means makes no record; one that a route means goes to its topic. `routes`
    are sorted by topic, look at one column, and have no text in common."""

    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    key_format: KeyFormat = KeyFormat.TEXT
    metadata: Metadata = Metadata.VALUE
    nulls: tuple[str, ...] = ()
    undeclared: Undeclared = Undeclared.REFUSE
    format: RecordFormat = RecordFormat.JSON
    subject: SubjectBy = SubjectBy.TOPIC
    name: str = ""
    given_schema: str = ""
    drops: tuple[Drop, ...] = ()
    routes: tuple[Route, ...] = ()
    hash_key: bytes = field(default=b"", repr=False)

    @property
    def needs_registry(self) -> bool:
        """Whether records name a schema."""
        has_avro_key = self.key_format is KeyFormat.AVRO and bool(self.key)
        return self.format is not RecordFormat.JSON or has_avro_key

    def nulls_of(self, column: Column) -> tuple[str, ...]:
        """The texts that mean null in a column."""
        return self.nulls if column.nulls is None else column.nulls

    def named(self, name: str) -> Column | None:
        """The declaration of the file's column `name`; None: there is none."""
        return next((column for column in self.columns if column.name == name), None)
