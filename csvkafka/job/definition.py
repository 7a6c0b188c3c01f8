"""What a job is: from the user's settings, the source and the cluster.

Pure. A job's definition is frozen in its item when it begins; `same_job` holds later runs to it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from csvkafka.compiled import compiled_module
from csvkafka.encode.row_json import check_transform, transform_name
from csvkafka.errors import ConfigError
from csvkafka.ledger import file_marks, point_item
from csvkafka.ledger.item import JobDefinition
from csvkafka.limits import (
    BLOCK_BYTES,
    MAX_BATCH_BYTES,
    MAX_RECORD_BYTES,
    RECORD_LIMIT_SETTING,
    SIZE_LIMIT_SETTING,
)
from csvkafka.model import (
    BadRows,
    Dialect,
    DuplicateColumns,
    EncodePlan,
    FileOrder,
    Lane,
    Routing,
    SourceIdentity,
    TopicFacts,
    Transform,
)
from csvkafka.rows.columns import numbered
from csvkafka.rows.dialects import settings_beyond_default
from csvkafka.sets import frozen

if TYPE_CHECKING:
    from csvkafka.schema.subjects import WireSchemas
    from csvkafka.schema.table import RecordTable

RECORD_FORMAT = "json-1"
"""Version of what a record looks like; a new one is another configuration."""

DEAD_LETTER_PARTITION = 0

SENT_IN_BATCHES = "batches"


@dataclass(frozen=True, slots=True)
class Membership:
    """What a set says of the job of one of its files: the columns that it must have, in whatever
    order, which are those of the file `first_uri`, and the numbers of partitions that route its
    rows."""

    first_uri: str
    columns: tuple[str, ...]
    partition_count: int
    routed_partitions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What the user asks for. Refuses settings that do not go together with ConfigError.

    Rows go to `partition` (0 if None); with `key_column` and no `partition`, to all partitions by
    `partitioner`. `one_by_one`: a subclass sends each row itself (`row_by_row`). `block_bytes` is
    doubled for several partitions; if it is the default, also for the compiled encoder (`plan`).
    `given` holds the variables of those settings of the dialect that the user gave, even with the
    default's text. `known_schemas` is what a configuration says of schemas whose ids are known.
    `own_size_limit` is the user's DEAD_LETTER_ABOVE_BYTES, `usual_size_limit` what holds without
    it (`size_limit`).
    `order` is that of a set; the job of one file of a set has a `membership`."""

    job_id: str
    topic: str
    partition: int | None = None
    key_column: str | None = None
    partitioner: Routing = Routing.KEY_MURMUR2
    dialect: Dialect = Dialect()  # noqa: RUF009 - frozen
    compression: str = "gzip"
    bad_rows: BadRows = BadRows.STOP
    dead_letter_topic: str | None = None
    source_compression: str = "auto"
    transform: Transform | None = None
    one_by_one: bool = False
    duplicate_columns: DuplicateColumns = DuplicateColumns.REFUSE
    given: frozenset[str] = frozenset()
    max_batch_bytes: int = MAX_BATCH_BYTES
    max_record_bytes: int = MAX_RECORD_BYTES
    block_bytes: int = BLOCK_BYTES
    accept_deleted_tail: bool = False
    table: RecordTable | None = None
    known_schemas: Mapping[str, str] = field(default_factory=dict)
    own_size_limit: int | None = None
    usual_size_limit: int | None = None
    order: FileOrder = FileOrder.SET
    membership: Membership | None = None

    def __post_init__(self) -> None:
        if not self.job_id or not self.topic:
            raise ConfigError("a job needs a JOB_ID and a KAFKA_TOPIC that are not empty")
        for mark in (frozen.MARK, point_item.MARK, file_marks.MARK):
            if mark in self.job_id and self.membership is None:
                raise ConfigError(
                    f"JOB_ID must not hold {mark!r}, which marks an item beside a job's own; give "
                    "the job another name"
                )
        if (self.bad_rows is BadRows.DEAD_LETTER) != (self.dead_letter_topic is not None):
            raise ConfigError(
                "ON_BAD_ROW=dead-letter and DEAD_LETTER_TOPIC go together: set both or neither"
            )
        if self.own_size_limit is not None and self.dead_letter_topic is None:
            raise ConfigError(
                f"{SIZE_LIMIT_SETTING} is for ON_BAD_ROW=dead-letter; set that too, or leave it out"
            )
        if self.dead_letter_topic == self.topic:
            raise ConfigError(f"DEAD_LETTER_TOPIC is KAFKA_TOPIC ({self.topic}); name another one")
        if self.partitioner is Routing.ONE_PARTITION:
            raise ConfigError("PARTITIONER must be murmur2 or crc32")
        if self.table is not None:
            self._check_table(self.table)
        if self.one_by_one:
            self._check_one_by_one()
        if self.transform is not None:
            check_transform(self.transform)

    def _check_table(self, table: RecordTable) -> None:
        for variable, topic in (
            ("KAFKA_TOPIC", self.topic),
            ("DEAD_LETTER_TOPIC", self.dead_letter_topic),
        ):
            if topic in self.data_topics[1:]:
                raise ConfigError(
                    f"topic {topic} has a [[route]] in CSV_COLUMNS, and is {variable}, to which "
                    "other rows go: name another topic, or leave the route out"
                )
        if self.transform is not None:
            raise ConfigError(
                "CSV_COLUMNS and TRANSFORM exclude each other, as a record is declared or made "
                "by a function: set one of them"
            )
        if self.key_column is not None and table.key:
            raise ConfigError(
                f"KEY_COLUMN ({self.key_column}) and the key in CSV_COLUMNS "
                f"({', '.join(table.key)}) exclude each other: set one of them"
            )
        if self.bad_rows is BadRows.KEEP:
            raise ConfigError(
                "ON_BAD_ROW=keep and CSV_COLUMNS exclude each other: a field beyond the header has "
                "no declared type; set ON_BAD_ROW=dead-letter"
            )

    def _check_one_by_one(self) -> None:
        """What an own `_send_to_kafka` would have to do itself is refused, not left out."""
        given = {
            "TRANSFORM": self.transform is not None,
            "CSV_COLUMNS": self.table is not None,
            "KEY_COLUMN": self.key_column is not None,
            "DEAD_LETTER_TOPIC": self.dead_letter_topic is not None,
        }
        ignored = [name for name, is_set in given.items() if is_set]
        if ignored:
            raise ConfigError(
                f"{', '.join(ignored)} and an own _send_to_kafka exclude each other: set one of "
                "them, or let that method do it"
            )

    @property
    def routing(self) -> Routing:
        """Which lane a row goes to."""
        has_key = self.key_column is not None or bool(self.table and self.table.key)
        by_key = has_key and self.partition is None
        return self.partitioner if by_key else Routing.ONE_PARTITION

    @property
    def data_topics(self) -> tuple[str, ...]:
        """The topics that get rows: KAFKA_TOPIC, then those of the table's routes."""
        routes = () if self.table is None else self.table.routes
        return (self.topic, *(route.topic for route in routes))

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that get records."""
        dead_letters = () if self.dead_letter_topic is None else (self.dead_letter_topic,)
        return (*self.data_topics, *dead_letters)

    @property
    def size_limit(self) -> int | None:
        """A row whose record has more bytes is set aside; None: no row is for its size."""
        return self.usual_size_limit if self.own_size_limit is None else self.own_size_limit

    @property
    def most_letter_bytes(self) -> int:
        """The largest batch of dead letters, where their topic takes so much. As with rows, what
        several may take is not too much for one."""
        return max(self.max_record_bytes, self.max_batch_bytes)

    def of_file(self, job_id: str, membership: Membership) -> JobSpec:
        """The job of one file of this set."""
        return replace(self, job_id=job_id, order=FileOrder.SET, membership=membership)

    def routing_partitions(self, facts: TopicFacts) -> int:
        """The number of partitions that routes rows, if the job begins now."""
        if self.membership is not None:
            return self.membership.partition_count
        return facts.partition_count

    def routed_partitions(self, facts: Mapping[str, TopicFacts]) -> Mapping[str, int]:
        """Those of the topics of routes, if the job begins now."""
        if self.membership is not None:
            return self.membership.routed_partitions
        return {topic: facts[topic].partition_count for topic in self.data_topics[1:]}

    def lanes(
        self, partition_count: int, routed_partitions: Mapping[str, int] | None = None
    ) -> tuple[Lane, ...]:
        """The lanes for a topic of so many partitions; then those of the topics of routes (one
        each, where no number is given); dead letters last."""
        counts = {self.topic: partition_count, **(routed_partitions or {})}
        if self.routing is Routing.ONE_PARTITION:
            lanes = [Lane(topic, self.partition or 0) for topic in self.data_topics]
        else:
            lanes = [
                Lane(topic, partition)
                for topic in self.data_topics
                for partition in range(counts.get(topic, 1))
            ]
        if self.dead_letter_topic is not None:
            lanes.append(Lane(self.dead_letter_topic, DEAD_LETTER_PARTITION))
        return tuple(lanes)

    def columns(self, header: Sequence[str]) -> tuple[str, ...]:
        """What records call the columns of a header."""
        if self.duplicate_columns is DuplicateColumns.NUMBER:
            return numbered(header)
        return tuple(header)

    def going_on(self, stored: Mapping[str, str]) -> JobSpec:
        """This spec, for a job that was begun with the configuration `stored`. Columns can be
        refused only before a job begins; so this one keeps what was chosen for its columns then,
        the ids of its schemas, and how large a record may be (where the item does not tell: as
        large as the topics take)."""
        limit = stored.get(SIZE_LIMIT_SETTING, "")
        usual = int(limit) if limit.isdecimal() else None
        going_on = replace(self, known_schemas=stored, usual_size_limit=usual)
        if self.duplicate_columns is not DuplicateColumns.REFUSE:
            return going_on
        chosen = stored.get("CSV_DUPLICATE_COLUMNS", DuplicateColumns.LAST.value)
        return replace(going_on, duplicate_columns=DuplicateColumns(chosen))

    def schemas(self, header: Sequence[str]) -> WireSchemas | None:
        """The schemas that records of a file with this header name, with the ids that are known;
        None: they name none. Raises ConfigError where the table does not make any."""
        table = self.whole_table
        if table is None or not table.needs_registry:
            return None
        from csvkafka.schema.subjects import schemas_of

        return schemas_of(table, self.columns(header), self.topic, self.known_schemas)

    def plan(
        self,
        header: Sequence[str],
        source_uri: str,
        lanes: Sequence[Lane],
        topic_bytes: int,
        letter_bytes: int | None = None,
    ) -> EncodePlan:
        """How rows become batches. `topic_bytes` is how large a batch each topic of rows takes,
        `letter_bytes` the same of the topic of dead letters (None: as much)."""
        if letter_bytes is None:
            letter_bytes = topic_bytes
        in_topics = [sum(lane.topic == topic for lane in lanes) for topic in self.data_topics]
        return EncodePlan(
            header=self.columns(header),
            source_uri=source_uri,
            dialect=self.dialect,
            lane_count=in_topics[0],
            routed_lanes=tuple(in_topics[1:]),
            routing=self.routing,
            key_column=self.key_column if self.table is None else None,
            compression=self.compression,
            bad_rows=self.bad_rows,
            max_batch_bytes=min(self.max_batch_bytes, topic_bytes),
            max_record_bytes=min(self.max_record_bytes, topic_bytes),
            record_limit=(
                "the topic's max.message.bytes"
                if topic_bytes < self.max_record_bytes
                else RECORD_LIMIT_SETTING
            ),
            max_letter_bytes=min(self.most_letter_bytes, letter_bytes),
            letter_limit=(
                f"max.message.bytes of topic {self.dead_letter_topic} (DEAD_LETTER_TOPIC)"
                if letter_bytes < self.most_letter_bytes
                else RECORD_LIMIT_SETTING
            ),
            set_aside_above_bytes=self.size_limit,
            block_bytes=self._block_bytes(sum(in_topics)),
            transform=self.transform,
            table=self.whole_table,
            schemas=self.schemas(header),
        )

    @property
    def whole_table(self) -> RecordTable | None:
        """The declared table, its key named by KEY_COLUMN if by nothing else."""
        if self.table is None or self.key_column is None:
            return self.table
        return replace(self.table, key=(self.key_column,))

    def _block_bytes(self, data_lanes: int) -> int:
        # A batch costs the loop and the broker about the same whatever its size, and of a block
        # each lane gets one. The compiled encoder needs no more of the processor's cache than a
        # piece of a block; but for several lanes, and for any codec but gzip, all of a block's
        # records are held at once. (Who asks for a size of block gets it from either encoder.)
        if data_lanes > 1:
            return self.block_bytes * 2
        declared = self.transform is not None or self.table is not None
        if declared or self.block_bytes != BLOCK_BYTES or compiled_module() is None:
            return self.block_bytes
        return self.block_bytes * (4 if self.compression == "gzip" else 2)

    def configuration(self, header: Sequence[str]) -> dict[str, str]:
        """All that decides which records are written where, by the names that users know.

        The codec of the batches is not among them, nor the size that a batch of one row may have:
        both may change in the middle of a load."""
        columns = hashlib.sha256("\0".join(header).encode("utf-8", "surrogatepass")).hexdigest()
        # Where these say nothing new, the item does not name them: it need not know them.
        more = settings_beyond_default(self.dialect)
        if self.columns(header) != tuple(header):
            more["CSV_DUPLICATE_COLUMNS"] = self.duplicate_columns.value
        if self.size_limit is not None:
            more[SIZE_LIMIT_SETTING] = str(self.size_limit)
        if self.order is not FileOrder.SET:
            more["ORDER"] = self.order.value
        if self.whole_table is not None:
            from csvkafka.schema.fitting import summary
            from csvkafka.schema.table import Test

            more["CSV_COLUMNS"] = summary(self.whole_table, self.columns(header))
            if any(drop.test is Test.MATCHES for drop in self.whole_table.drops):
                # They say what \w, \d and (?i) mean: by others, other rows are dropped.
                more["Unicode tables of Python"] = unicodedata.unidata_version
        if (schemas := self.schemas(header)) is not None:
            more |= schemas.configuration
        return more | {
            "JOB_ID": self.job_id,
            "record format": RECORD_FORMAT,
            "columns": f"{len(header)} columns, sha256 {columns[:16]}",
            "CSV_DELIMITER": self.dialect.delimiter,
            "CSV_QUOTECHAR": self.dialect.quotechar,
            "CSV_ENCODING": self.dialect.encoding,
            "SOURCE_COMPRESSION": self.source_compression,
            "ON_BAD_ROW": self.bad_rows.value,
            "DEAD_LETTER_TOPIC": self.dead_letter_topic or "",
            "KAFKA_TOPIC": self.topic,
            "KAFKA_PARTITION": "" if self.partition is None else str(self.partition),
            "KEY_COLUMN": self.key_column or "",
            "PARTITIONER": self.routing.value,
            "TRANSFORM": "" if self.transform is None else transform_name(self.transform),
            "sent by": "_send_to_kafka" if self.one_by_one else SENT_IN_BATCHES,
            "block bytes": str(self.block_bytes),
            "batch bytes": str(self.max_batch_bytes),
        }


def define(
    spec: JobSpec,
    source: SourceIdentity,
    header: Sequence[str],
    facts: Mapping[str, TopicFacts],
    partition_count: int,
    routed_partitions: Mapping[str, int] | None = None,
) -> JobDefinition:
    """The job's definition; `facts` by topic, `partition_count` the one that routes rows, and
    `routed_partitions` those of the topics of routes (None: as if the job began now)."""
    if routed_partitions is None:
        routed_partitions = spec.routed_partitions(facts)
    # Of a job that may still be changed, the item may tell of topics that it has no more.
    routed = {topic: routed_partitions.get(topic, 1) for topic in spec.data_topics[1:]}
    return JobDefinition(
        source=source,
        configuration=spec.configuration(header),
        cluster_id=facts[spec.topic].cluster_id,
        topic_ids={topic: facts[topic].topic_id for topic in spec.topics},
        partition_count=partition_count,
        lanes=spec.lanes(partition_count, routed),
        routed_partitions=routed,
    )
