"""The job's item in the checkpoint store as values: what is stored, and how it is written down.

The documented attributes (`job_id`, `last_line`, `total_sent`, `timestamp`, `status`) stand beside
those that exactly-once needs; the table is in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, cast

from csvkafka.errors import ItemUnusableError
from csvkafka.interfaces import AttributeValue, Item
from csvkafka.model import (
    Checkpoint,
    JobStatus,
    Lane,
    LaneEpoch,
    LaneProgress,
    PieceStart,
    Position,
    ProducerIdentity,
    SourceIdentity,
)

SCHEMA_VERSION = 1
EPOCHS_SCHEMA_VERSION = 2
"""Version 2 is written once a lane is in a later epoch than the one that it began in, and not
before: until then both versions say the same, and an older csvkafka can still go on with the job.
From then on it must not, as it would number rows wrongly; it refuses a version that it does not
know."""
SETS_SCHEMA_VERSION = 3
"""Version 3 is that of a set of files, whatever the epochs of its lanes."""

REPLAYS = "replays"
"""Names of the replays of the job's letters, in the order in which they were begun."""


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """What a job is, fixed when its item is created; every later run must say the same.

    `configuration` maps the name of each setting that decides what is written where to its value;
    `partition_count` is the topic's at creation and stays the one that routes rows;
    `routed_partitions` are those of the topics of the table's routes."""

    source: SourceIdentity
    configuration: Mapping[str, str]
    cluster_id: str
    topic_ids: Mapping[str, str]
    partition_count: int
    lanes: tuple[Lane, ...]
    routed_partitions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaseState:
    """The lease as stored. `owner` is None when it was released; `seconds` is its length."""

    owner: str | None
    token: int
    counter: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StoredJob:
    """The item, decoded. `identity` and `checkpoint` are None until step 3 has stored them."""

    source: SourceIdentity
    configuration: Mapping[str, str]
    cluster_id: str
    topic_ids: Mapping[str, str]
    partition_count: int
    status: JobStatus
    timestamp: int
    started_at: int
    lease: LeaseState
    identity: ProducerIdentity | None
    position: Position
    total_sent: int
    checkpoint_number: int
    lanes: Mapping[str, LaneProgress]
    routed_partitions: Mapping[str, int] = field(default_factory=dict)
    replays: tuple[str, ...] = ()

    @property
    def set_aside(self) -> int:
        """Rows that are dead letters."""
        topic = self.configuration.get("DEAD_LETTER_TOPIC", "")
        return sum(
            lane.next_sequence
            for name, lane in self.lanes.items()
            if name.rpartition("/")[0] == topic
        )

    def checkpoint_for(self, lanes: tuple[Lane, ...]) -> Checkpoint:
        """The stored progress in the order of `lanes`. Raises ItemUnusableError if one is
        missing."""
        try:
            progress = tuple(self.lanes[lane_name(lane)] for lane in lanes)
        except KeyError as error:
            raise _unusable(f"has no progress of partition {error}") from error
        return Checkpoint(self.position, self.total_sent, progress, self.checkpoint_number)


@dataclass(frozen=True, slots=True)
class DocumentedJob:
    """An item that another implementation wrote: documented attributes only."""

    last_line: int
    total_sent: int
    status: JobStatus


def lane_name(lane: Lane) -> str:
    """The lane's key in the item: `topic/partition`."""
    return f"{lane.topic}/{lane.partition}"


def new_item(job_id: str, definition: JobDefinition, lease_seconds: float, now: int) -> Item:
    """The item of a job of which nothing was done yet."""
    return {
        "job_id": job_id,
        "last_line": 0,
        "total_sent": 0,
        "timestamp": now,
        "status": JobStatus.IN_PROGRESS.value,
        **definition_attributes(definition),
        "started_at": now,
        "byte_offset": 0,
        "checkpoint_number": 0,
        "fencing_token": 0,
        "lease_counter": 0,
        "lease_milliseconds": round(lease_seconds * 1000),
    }


def definition_attributes(definition: JobDefinition) -> Item:
    """The attributes that say what the job is."""
    source = definition.source
    stored_source: dict[str, AttributeValue] = {
        "bucket": source.bucket,
        "key": source.key,
        "etag": source.etag,
        "size": source.size,
        "compression": source.compression,
    }
    if source.scheme != "s3":
        stored_source["scheme"] = source.scheme
    if source.version_id is not None:
        stored_source["version_id"] = source.version_id
    if source.files is not None:
        stored_source["files"] = source.files
    return {
        "schema_version": SCHEMA_VERSION if source.files is None else SETS_SCHEMA_VERSION,
        **({} if source.files is None else {"piece": piece_attribute(PieceStart())}),
        "source": stored_source,
        "configuration": dict(definition.configuration),
        "cluster_id": definition.cluster_id,
        "topic_ids": dict(definition.topic_ids),
        "partition_count": definition.partition_count,
        **(
            {"routed_partitions": dict(definition.routed_partitions)}
            if definition.routed_partitions
            else {}
        ),
    }


def progress_attributes(checkpoint: Checkpoint, lanes: tuple[Lane, ...], now: int) -> Item:
    """The attributes that one checkpoint write sets."""
    later = any(lane.base_row or len(lane.epochs) > 1 for lane in checkpoint.lanes)
    piece = checkpoint.position.piece
    more: Item = {}
    if piece is not None:
        more["piece"] = piece_attribute(piece)
    elif later:
        more["schema_version"] = EPOCHS_SCHEMA_VERSION
    return {
        **more,
        "last_line": checkpoint.position.row_count,
        "total_sent": checkpoint.total_sent,
        "timestamp": now,
        "byte_offset": checkpoint.position.byte_offset,
        "partitions": {
            lane_name(lane): lane_attribute(progress)
            for lane, progress in zip(lanes, checkpoint.lanes, strict=True)
        },
        "checkpoint_number": checkpoint.number,
    }


def piece_attribute(piece: PieceStart) -> dict[str, AttributeValue]:
    """Where a set's `byte_offset` counts from."""
    return {
        "number": piece.number,
        "rows_before": piece.row_count,
        "bytes_before": piece.stored_bytes,
        "size": piece.size,
    }


def _decode_piece(written: Mapping[str, AttributeValue]) -> PieceStart:
    return PieceStart(
        number=_integer(written, "number"),
        row_count=_integer(written, "rows_before"),
        stored_bytes=_integer(written, "bytes_before"),
        size=_integer(written, "size"),
    )


def lane_attribute(progress: LaneProgress) -> list[AttributeValue]:
    """[next sequence, next Kafka offset], and for a lane in a later epoch [epoch, base row] of each
    that still counts: the present one, last; the one before, which tells a late batch's rows; and
    those that may be in the tail, from the one of the last stored record on."""
    written: list[AttributeValue] = [progress.next_sequence, progress.next_kafka_offset]
    epochs = progress.epochs
    while len(epochs) > 2 and epochs[1].base_row < progress.next_sequence:
        epochs = epochs[1:]
    if epochs[-1].base_row or len(epochs) > 1:
        written += [[each.epoch, each.base_row] for each in epochs]
    return written


def is_documented_only(item: Item) -> bool:
    """The item was written by another implementation of the documented table."""
    return "schema_version" not in item and "producer_id" not in item


def decode_documented(item: Item) -> DocumentedJob:
    """Reads an item with the documented attributes only. Raises ItemUnusableError."""
    try:
        return DocumentedJob(
            last_line=_integer(item, "last_line"),
            total_sent=_integer(item, "total_sent"),
            status=_status(item.get("status", JobStatus.IN_PROGRESS.value)),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise _unusable(f"cannot be read: {_told(error)}") from error


def decode(item: Item) -> StoredJob:
    """Reads an item that csvkafka wrote. Raises ItemUnusableError if it cannot be used."""
    version = item.get("schema_version")
    if not isinstance(version, int) or version < SCHEMA_VERSION:
        raise _unusable(f"has schema_version {version}")
    if version > SETS_SCHEMA_VERSION:
        raise ItemUnusableError(
            f"the checkpoint item has schema_version {version}, and this csvkafka knows "
            f"{SCHEMA_VERSION} to {SETS_SCHEMA_VERSION}: a newer one wrote it. Go on with that "
            "one, or load under another JOB_ID into a clean topic."
        )
    try:
        stored = _decode(item)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _unusable(f"cannot be read: {_told(error)}") from error
    # A compressed object's byte_offset counts decompressed bytes, so it has no bound here.
    if min(stored.position.byte_offset, stored.position.row_count, stored.total_sent) < 0:
        raise _unusable("holds a negative position")
    return stored


def decode_lease(item: Item) -> LeaseState:
    """The lease attributes alone."""
    return LeaseState(
        owner=str(item["lease_owner"]) if "lease_owner" in item else None,
        token=_integer(item, "fencing_token"),
        counter=_integer(item, "lease_counter"),
        seconds=_integer(item, "lease_milliseconds") / 1000,
    )


def _decode(item: Item) -> StoredJob:
    source = cast(Mapping[str, AttributeValue], item["source"])
    version_id = source.get("version_id")
    identity = None
    lanes: dict[str, LaneProgress] = {}
    if "producer_id" in item:
        identity = ProducerIdentity(_integer(item, "producer_id"), _integer(item, "producer_epoch"))
        stored_lanes = cast(Mapping[str, list[AttributeValue]], item["partitions"])
        lanes = {
            name: _decode_lane(lane, identity.producer_epoch) for name, lane in stored_lanes.items()
        }
    return StoredJob(
        source=SourceIdentity(
            bucket=str(source["bucket"]),
            key=str(source["key"]),
            etag=str(source["etag"]),
            size=_integer(source, "size"),
            version_id=None if version_id is None else str(version_id),
            compression=str(source.get("compression", "none")),
            scheme=str(source.get("scheme", "s3")),
            files=_integer(source, "files") if "files" in source else None,
        ),
        configuration=_texts(item, "configuration"),
        cluster_id=str(item["cluster_id"]),
        topic_ids=_texts(item, "topic_ids"),
        partition_count=_integer(item, "partition_count"),
        status=_status(item["status"]),
        timestamp=_integer(item, "timestamp"),
        started_at=_integer(item, "started_at"),
        lease=decode_lease(item),
        identity=identity,
        position=Position(
            _integer(item, "byte_offset"),
            _integer(item, "last_line"),
            _decode_piece(cast(Any, item["piece"])) if "files" in source else None,
        ),
        total_sent=_integer(item, "total_sent"),
        checkpoint_number=_integer(item, "checkpoint_number"),
        lanes=lanes,
        routed_partitions=(
            _integers(item, "routed_partitions") if "routed_partitions" in item else {}
        ),
        replays=replays_in(item),
    )


def replays_in(item: Item) -> tuple[str, ...]:
    """The replays of the job's letters that the item names. Raises ItemUnusableError."""
    noted = item.get(REPLAYS, [])
    names = [name for name in noted if isinstance(name, str)] if isinstance(noted, list) else None
    if names != noted:
        raise _unusable(f"cannot be read: {REPLAYS} is no list of names: {noted!r}")
    return tuple(names)


def _status(value: AttributeValue) -> JobStatus:
    try:
        return JobStatus(str(value))
    except ValueError as error:
        known = ", ".join(JobStatus)
        raise ValueError(f"its status is {value!r}, csvkafka knows {known}") from error


def _told(error: Exception) -> str:
    """What is wrong with an item: the attribute wanted, or what was found in it."""
    return f"it has no attribute {error}" if isinstance(error, KeyError) else str(error)


def _decode_lane(written: list[AttributeValue], first_epoch: int) -> LaneProgress:
    next_sequence, next_kafka_offset, *epochs = cast(list[Any], written)
    known = [LaneEpoch(int(epoch), int(base_row)) for epoch, base_row in epochs]
    for before, after in pairwise(known):
        if after.epoch <= before.epoch or after.base_row < before.base_row:
            raise ValueError(f"epochs that do not rise: {epochs}")
    progress = LaneProgress(int(next_sequence), int(next_kafka_offset))
    return replace(progress, epochs=tuple(known) or (LaneEpoch(first_epoch, 0),))


def _integer(item: Mapping[str, AttributeValue], name: str) -> int:
    value = item[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} is no whole number: {value!r}")
    return value


def _integers(item: Item, name: str) -> Mapping[str, int]:
    values = cast(Mapping[str, AttributeValue], item[name])
    return {key: _integer(values, key) for key in values}


def _texts(item: Item, name: str) -> Mapping[str, str]:
    value = cast(Mapping[str, AttributeValue], item[name])
    return {key: str(text) for key, text in value.items()}


def _unusable(what: str) -> ItemUnusableError:
    return ItemUnusableError(
        f"the checkpoint item {what}; it was damaged or written by something else. Restore it from "
        "a backup, or load under another JOB_ID into a clean topic."
    )
