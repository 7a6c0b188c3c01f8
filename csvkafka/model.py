"""The values that travel between modules: frozen, slotted, picklable, without behaviour.

Words: a *row* is a CSV row, a *record* its Kafka record, a *batch* the records sent together. A
*lane* is one ordered stream of our records: a partition of a topic, or of the dead-letter topic.
A `row_count` counts data rows (the header is none); `source_line` of a row = rows before it + 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from csvkafka.limits import BLOCK_BYTES, MAX_BATCH_BYTES, MAX_RECORD_BYTES, RECORD_LIMIT_SETTING

if TYPE_CHECKING:
    from csvkafka.schema.subjects import WireSchemas
    from csvkafka.schema.table import RecordTable

SOURCE_LINE, SOURCE_FILE = "_source_line", "_source_file"
"""The fields that a record has beside those of its row."""

LETTERS_SCHEME = "dead-letters"
"""The scheme of a source that is the dead letters of another job."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the CSV is written. `delimiter` and `quotechar` are one ASCII character each, but an
    empty `quotechar` means that nothing is quoted (`csv.QUOTE_NONE`); `encoding` is any that Python
    knows and that leaves ASCII bytes alone; the header comes after `skipped_lines` lines.

    `escapechar` (empty: none) and `doublequote` are those of the `csv` module; lines that begin
    with `comment` are no rows, and with `trailing_delimiter` each ends with one (`rows/dialects`
    says how exactly). `names` are the columns of a file without a header row, () if they have none
    (then they are called c1, c2, ...); None: the first row is the header."""

    delimiter: str = ","
    quotechar: str = '"'
    encoding: str = "utf-8"
    skipped_lines: int = 0
    escapechar: str = ""
    doublequote: bool = True
    comment: str = ""
    trailing_delimiter: bool = False
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """One version of one object. `etag` as S3 gives it (with its quotes); `size` in stored
    bytes. `compression` is "none", "gzip", "zstd" or "bzip2": if it is not "none", what is read is
    the decompressed stream, and nothing tells how long that is.

    With the `scheme` "file" it is a file of this machine: its path without the first slash is the
    `key`, and `files/local_source` says what stands for an ETag. With any but "s3" it is an object
    elsewhere: its host or container is the `bucket`, `remote_source.Facts.pin` the `etag`; with
    LETTERS_SCHEME it is the letters of job `key` in topic `bucket`, `size` in Kafka offsets. With
    `files` it is a set of that many objects: `key` is what names the set (a prefix, or its
    manifest), `etag` the digest of its frozen list, `size` that of all objects together."""

    bucket: str
    key: str
    etag: str
    size: int
    version_id: str | None = None
    compression: str = "none"
    scheme: str = "s3"
    files: int | None = None

    @property
    def is_compressed(self) -> bool:
        return self.compression != "none"

    @property
    def uri(self) -> str:
        """`s3://bucket/key`, `file:///path` or the like; of one object or file, the value of
        `_source_file`."""
        return f"{self.scheme}://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Piece:
    """One object of a set, pinned: `etag` as S3 gives it (with its quotes), `size` in stored bytes,
    `version_id` where one was named."""

    key: str
    etag: str
    size: int
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class PieceStart:
    """Where a piece begins in its set: before it are `number` pieces, which hold `row_count` rows
    and take `stored_bytes`. `size` is that of the piece itself, in stored bytes."""

    number: int = 0
    row_count: int = 0
    stored_bytes: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """A row boundary. `byte_offset` counts bytes of the (decompressed) stream before it,
    `row_count` data rows before it. `Position(0, 0)` is the start of the object, header
    included.

    In a set, `byte_offset` counts from the beginning of `piece`, `row_count` from that of the
    set."""

    byte_offset: int
    row_count: int
    piece: PieceStart | None = None

    @property
    def source_bytes(self) -> int:
        """`byte_offset`; in a set, how many stored bytes of the set are before it (about, if its
        piece is compressed)."""
        if self.piece is None:
            return self.byte_offset
        return self.piece.stored_bytes + min(self.byte_offset, self.piece.size)

    @property
    def facts(self) -> dict[str, int]:
        """What an observer is told of it: also the number of the piece, and the stored bytes of
        those before it; both are 0 where one object is all."""
        number = 0 if self.piece is None else self.piece.number
        return {
            "rows": self.row_count,
            "bytes": self.source_bytes,
            "piece": number,
            "byte_offset": self.byte_offset,
            "bytes_before": 0 if self.piece is None else self.piece.stored_bytes,
        }


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class RestartPoint:
    """A place of a compressed object from which it can be read without what is before it.

    Before it are `stored_bits` bits of the object and `content_bytes` of its content. If it is
    inside a gzip member, a block begins there: `window` is the content before it, as far back as a
    block may refer (32 KiB); `member_bytes` (more than 0) and `checksum` (CRC-32) are the size and
    checksum of the member's content so far.
    """

    stored_bits: int
    content_bytes: int
    window: bytes = b""
    checksum: int = 0
    member_bytes: int = 0


class RowPlace(NamedTuple):
    """Where a row is in its file: its number there (1 is the first), and its first byte."""

    source_line: int
    byte_offset: int


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows, as raw bytes of the source (UTF-16 as UTF-8). `plain`: each line is one row, none
    is blank, all end with LF or all with CRLF, no character of a field needs an escape in JSON, and
    quotes stand only around whole fields, or else there are two in each. (Widths are not
    promised.)

    With `places`, the rows do not follow each other in their file: these say where each is, and
    `start` and `end` only how many there are."""

    data: bytes
    start: Position
    end: Position
    plain: bool
    places: tuple[RowPlace, ...] = ()

    @property
    def row_count(self) -> int:
        return self.end.row_count - self.start.row_count

    def source_line(self, row_index: int) -> int:
        """The number in the file of its row `row_index` (0 is the first)."""
        if self.places:
            return self.places[row_index].source_line
        return self.start.row_count + row_index + 1


@dataclass(frozen=True, slots=True)
class Lane:
    """One partition that receives records of this job, in order."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """Records of one lane, ready but for producer id, epoch, base sequence and timestamp.

    `lane` is an index into the job's lanes; `attributes` the batch header's attribute bits (the
    codec); `records` the (compressed) records section of a record batch v2."""

    lane: int
    record_count: int
    attributes: int
    records: bytes


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """What a block became. `batches` are in order inside each lane. `rows_by_lane[i]` counts the
    rows of lane i in this block, also those that were skipped because the topic has them already;
    rows that the table drops are in no lane.

    `failure` says why the row after `end` cannot become a record: the load ends with it, once all
    rows before are in the topic. If that row is the block's first, the block has no rows.
    `set_aside` names the first rows of the block that are dead letters, and why."""

    end: Position
    rows_by_lane: tuple[int, ...]
    batches: tuple[EncodedBatch, ...]
    failure: Exception | None = None
    set_aside: tuple[str, ...] = ()


class BadRows(StrEnum):
    """What becomes of a row wider or narrower than the header."""

    STOP = "stop"  # MalformedRowError with its place
    KEEP = "keep"  # as csv.DictReader: missing fields null, surplus fields a list under "null"
    DEAD_LETTER = "dead-letter"  # to the dead-letter topic, raw, with its place in the headers


class FileOrder(StrEnum):
    """Which order the rows of a set have."""

    SET = "set"  # one sequence over all files, by one worker
    OBJECT = "object"  # each file's own: each is a job of its own, by any worker


class DuplicateColumns(StrEnum):
    """What becomes of columns whose values one record cannot hold: two of one name, or one that is
    named like a field of ours."""

    REFUSE = "refuse"  # no job begins with them
    LAST = "last"  # as csv.DictReader: of equal names the last one counts; ours before all
    NUMBER = "number"  # each keeps its value, under a name with a number


class Routing(StrEnum):
    """Which lane a row goes to."""

    ONE_PARTITION = "one-partition"  # all to lane 0
    KEY_CRC32 = "crc32"  # crc32(key) mod lanes, as librdkafka's `consistent`
    KEY_MURMUR2 = "murmur2"  # positive murmur2(key) mod lanes, as Kafka's Java client


Transform = Callable[[dict[str, object], int], Mapping[str, object]]
"""Changes one row: (row with `_source_line` and `_source_file`, source_line) -> what is sent as
JSON. Must be deterministic (a resume encodes rows again) and picklable for encode workers."""


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """All that decides which bytes a block becomes; frozen for the life of a job.

    `lane_count` lanes in KAFKA_TOPIC, then as many as `routed_lanes` says in the topic of each of
    the table's routes, and one more (the last index) for dead letters if `bad_rows` says so.
    `key_column` is the column whose value is the record key; None: null keys, lane 0.
    `max_batch_bytes` bounds a batch of several rows on the wire, `max_record_bytes` a batch of one
    row (`record_limit` names the setting that says so), `max_letter_bytes` any batch of dead
    letters (`letter_limit`), `block_bytes` the source bytes of a block. A row whose record has more
    bytes than `set_aside_above_bytes` (`record_size`) is a dead letter; None: none is for its size.
    `table` is the declared table, which then names the key columns too, and `schemas` are those
    that its records name."""

    header: tuple[str, ...]
    source_uri: str
    dialect: Dialect = Dialect()
    lane_count: int = 1
    routed_lanes: tuple[int, ...] = ()
    routing: Routing = Routing.ONE_PARTITION
    key_column: str | None = None
    compression: str = "gzip"
    bad_rows: BadRows = BadRows.STOP
    max_batch_bytes: int = MAX_BATCH_BYTES
    max_record_bytes: int = MAX_RECORD_BYTES
    record_limit: str = RECORD_LIMIT_SETTING
    max_letter_bytes: int = MAX_RECORD_BYTES
    letter_limit: str = RECORD_LIMIT_SETTING
    set_aside_above_bytes: int | None = None
    block_bytes: int = BLOCK_BYTES
    transform: Transform | None = None
    table: RecordTable | None = None
    schemas: WireSchemas | None = None


@dataclass(frozen=True, slots=True)
class ProducerIdentity:
    """The job's one producer id, for life, and an epoch of it. Every lane begins in the epoch that
    the cluster gave with the id; a lane may be in a later one."""

    producer_id: int
    producer_epoch: int


@dataclass(frozen=True, slots=True)
class LaneEpoch:
    """From a lane's record `base_row` on (the first is 0), records carry the producer epoch
    `epoch`, and their sequence numbers count from 0: record k has (k - `base_row`) mod 2^31."""

    epoch: int
    base_row: int


FIRST_EPOCH = LaneEpoch(0, 0)


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """`next_sequence`: how many records of ours the lane has, which is the next one's number (not
    reduced mod 2^31); `next_kafka_offset`: the Kafka offset after our last one.

    `epochs`, oldest first: the last is the present one, under which the next record is sent.
    Earlier ones are kept as long as their records may have to be recognised."""

    next_sequence: int
    next_kafka_offset: int
    epochs: tuple[LaneEpoch, ...] = (FIRST_EPOCH,)

    @property
    def epoch(self) -> int:
        """The present producer epoch."""
        return self.epochs[-1].epoch

    @property
    def base_row(self) -> int:
        """The record with which the present epoch begins."""
        return self.epochs[-1].base_row


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A durable point of progress: all rows before `position`, and no others, are in the topic as
    far as `lanes` tell; `total_sent` counts records. `number` grows by one with each write."""

    position: Position
    total_sent: int
    lanes: tuple[LaneProgress, ...]
    number: int = 0


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """A batch as the log holds it. `last_sequence` and `base_sequence` are -1 if the writer is
    not idempotent; `is_control` marks transaction markers. `max_timestamp_ms` is the Unix time of
    its latest record, -1 where it is not told."""

    base_kafka_offset: int
    last_kafka_offset: int
    record_count: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    is_control: bool = False
    max_timestamp_ms: int = -1


@dataclass(frozen=True, slots=True)
class LaneTail:
    """A partition's end as read back: first offset still there, high watermark, and the batches
    from the one that holds `checkpointed offset - 1` (if still there) to the high watermark."""

    log_start_offset: int
    end_offset: int
    batches: Sequence[BatchHeader]


class OutcomeKind(StrEnum):
    """What became of one batch that was handed to the sink once."""

    APPENDED = "appended"
    DUPLICATE = "duplicate"  # the broker has it already
    OUT_OF_ORDER = "out-of-order"  # OUT_OF_ORDER_SEQUENCE_NUMBER
    TOO_LARGE = "too-large"  # more bytes than the topic takes; nothing of it was appended
    UNKNOWN_PRODUCER = "unknown-producer"  # UNKNOWN_PRODUCER_ID: the leader has forgotten us
    RETRIABLE = "retriable"  # refused or unknown (connection lost): send the same bytes again
    FATAL = "fatal"  # `error` says why; the run stops


@dataclass(frozen=True, slots=True)
class SequencedBatch:
    """A batch with its final bytes. `ticket` names it in its lane and rises by one per batch;
    `data` is a complete record batch v2; a resend has the same bytes."""

    lane: int
    ticket: int
    record_count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ProduceOutcome:
    """The sink's answer for one send of one batch. `base_kafka_offset` is -1 where unknown."""

    lane: int
    ticket: int
    kind: OutcomeKind
    base_kafka_offset: int = -1
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What the cluster says of a topic. `topic_id` is the cluster's UUID for this very topic as
    text; `config` holds the topic's effective settings by Kafka's names. `rights` are the ACL
    operations that `principal` has on it, None if the cluster did not tell. `forgets_after_ms`: how
    long after its last record the broker forgets a producer id; None if it did not tell."""

    cluster_id: str
    topic_id: str
    partition_count: int
    replication_factor: int
    config: dict[str, str]
    rights: frozenset[str] | None = None
    principal: str = ""
    forgets_after_ms: int | None = None


class JobStatus(StrEnum):
    """`status` of the checkpoint item, as documented."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    SKIPPED = "SKIPPED"  # of a file of a set alone: left out, by its operator's word


class Step(StrEnum):
    """What a run reports to its observer, in the order in which a run meets them.

    Users get progress from it; the harness kills there. A name in the past tense is reported
    after the fact, `*-begins` before it."""

    RUN_BEGINS = "run-begins"
    LIST_CHUNK_STORED = "list-chunk-stored"
    ITEM_CREATED = "item-created"
    LEASE_WAITED = "lease-waited"
    LEASE_TAKEN = "lease-taken"
    IDENTITY_OBTAINED = "identity-obtained"
    IDENTITY_STORED = "identity-stored"
    TAIL_SCAN_BEGINS = "tail-scan-begins"
    TAIL_SCANNED = "tail-scanned"
    EPOCH_BEGINS = "epoch-begins"
    EPOCH_STORED = "epoch-stored"
    SOURCE_OPENED = "source-opened"
    BLOCK_TAKEN = "block-taken"
    LANE_RESTED = "lane-rested"
    BATCH_SENT = "batch-sent"
    BATCH_ACKNOWLEDGED = "batch-acknowledged"
    BLOCK_ACKNOWLEDGED = "block-acknowledged"
    FILE_ACKNOWLEDGED = "file-acknowledged"
    CHECKPOINT_BEGINS = "checkpoint-begins"
    CHECKPOINT_STORED = "checkpoint-stored"
    LEASE_RENEWED = "lease-renewed"
    SENDING_PAUSED = "sending-paused"
    ALL_ACKNOWLEDGED = "all-acknowledged"
    SOURCE_FAILED = "source-failed"
    FILE_COMPLETED = "file-completed"
    FILE_MARKED = "file-marked"
    FILE_FAILED = "file-failed"
    FILE_SKIPPED = "file-skipped"
    FILES_COMPLETED = "files-completed"
    COMPLETED = "completed"
    RELEASED = "released"
    RESTARTED = "restarted"
