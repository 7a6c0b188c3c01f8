"""The seams: what the engine asks of the outside world. Adapters and fakes implement these.

Each is small, and each method says what it may raise. Nothing here blocks for longer than its
docstring says.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from csvkafka.model import (
    EncodedBlock,
    Lane,
    LaneTail,
    Piece,
    ProduceOutcome,
    ProducerIdentity,
    RestartPoint,
    SequencedBatch,
    SourceIdentity,
    Step,
    TopicFacts,
)

if TYPE_CHECKING:
    from csvkafka.schema.subjects import WireSchema


class Source(Protocol):
    """One CSV object, pinned to the version that `identify` saw."""

    def identify(self) -> SourceIdentity:
        """The object's identity now. Raises SourceNotFoundError, SourceReadError."""

    def read(self, byte_offset: int) -> Generator[bytes, None, None]:
        """The (decompressed) bytes from `byte_offset` to the end, in chunks; none is empty. May be
        closed before its end.

        Goes on at the exact next byte after a lost connection. Raises SourceChangedError,
        SourceNotFoundError, SourceReadError, SourceCorruptError."""


class SchemaRegistry(Protocol):
    """Where the schemas of records are registered."""

    def registered(self, schema: WireSchema) -> WireSchema:
        """The schema, with its id: looked up in its subject, or registered there.

        Raises RegistryUnavailableError, RegistryRefusedError, SchemaRefusedError."""

    def check(self, schema: WireSchema) -> None:
        """Raises SchemaDeletedError if the schema's id does not mean it any more, and as
        `registered` if that cannot be asked."""


class RestartPoints(Protocol):
    """Places from which a compressed object can be read. Whoever reads it looks for one after each
    `spacing_bytes` of content."""

    @property
    def spacing_bytes(self) -> int: ...

    def begin(self, source: SourceIdentity, byte_offset: int) -> RestartPoint | None:
        """Called when reading of `source` begins. Returns the newest known point at or before
        `byte_offset` of its content, None if there is none. Does not raise."""

    def found(self, point: RestartPoint) -> None:
        """Called when a point of that source was found."""

    def read_to(self, content_bytes: int, stored_bytes: int) -> None:
        """The content up to there was decompressed, out of so many stored bytes."""


class SetObjects(Protocol):
    """The objects that make a set, as they stand now, and a way into each."""

    @property
    def bucket(self) -> str:
        """The bucket that holds them all."""

    @property
    def name(self) -> str:
        """What names the set in the bucket: its prefix, or the key of its manifest."""

    def pieces(self) -> Iterator[Piece]:
        """The pieces in their order, which is that of their keys.

        Raises ConfigError, SourceNotFoundError, SourceReadError."""

    def open_piece(
        self, piece: Piece, byte_offset: int, points: RestartPoints | None = None
    ) -> Generator[bytes, None, None]:
        """As `Source.read` of the piece, which must still be what it was pinned to. Nothing is
        asked before the first chunk is. `points` are the piece's. Callable from any thread."""

    def ask(
        self, piece: Piece, points: RestartPoints | None = None
    ) -> Callable[[], Generator[bytes, None, None]] | None:
        """Asks for a small piece without waiting for it. What is returned is `open_piece` of it
        from its first byte on, to be called once; None if the piece was not asked for."""

    def source(self, piece: Piece, points: RestartPoints) -> Source:
        """The piece as the source of a job of its own; as with `open_piece`."""


AttributeValue = str | int | Mapping[str, "AttributeValue"] | Sequence["AttributeValue"]
"""A value of a checkpoint item: strings, integers, and maps and lists of them."""

Item = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One conditional update of the job's item. `expect` maps an attribute to the value it must
    have, or to None: it must be absent."""

    set: Mapping[str, AttributeValue]
    remove: Sequence[str] = ()
    expect: Mapping[str, AttributeValue | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """A write was refused, because its condition did not hold; `item` is what stands there (None:
    no item)."""

    item: Item | None


class ItemTable(Protocol):
    """The one item of this job in the checkpoint store.

    Each method blocks until the store has answered. When the retries are used up, it raises
    CheckpointError; a write may have been applied although it raised."""

    def get(self) -> Item | None:
        """The item by a consistent read; None if there is none."""

    def put_new(self, item: Item) -> Refused | None:
        """Creates the item if there is none, and then returns None."""

    def update(self, change: ItemChange) -> Refused | None:
        """Applies the change if the item exists and `change.expect` holds, and then returns
        None."""


class StoredItem(ItemTable, Protocol):
    """An item that knows where it is kept, so that others may be kept beside it."""

    @property
    def store(self) -> ItemStore:
        """Where it is."""


class ItemStore(Protocol):
    """Where items are kept, by key: each job has one, and may have others beside it."""

    @property
    def where(self) -> str:
        """For messages: `table NAME`, `file PATH`."""

    def item(self, key: str) -> StoredItem:
        """The item of that key, be there one or none. Touches nothing."""

    def create(self) -> bool:
        """Makes the place if it is missing; returns False if it was there. Raises CheckpointError,
        ConfigError."""


class Cluster(Protocol):
    """Questions to Kafka that a run asks outside its hot path. Each blocks, with a bounded time.

    All raise SinkUnavailableError, SinkRefusedError."""

    def describe_topic(self, topic: str) -> TopicFacts | None:
        """Facts of the topic; None if it does not exist. Never creates it."""

    def new_producer_identity(self) -> ProducerIdentity:
        """A fresh producer id from the cluster (InitProducerId without a transactional id)."""

    def end_offset(self, lane: Lane) -> int:
        """The high watermark."""

    def read_tail(self, lane: Lane, kafka_offset: int) -> LaneTail:
        """Batches from the one that holds `kafka_offset` - 1 to the high watermark, headers only,
        read_uncommitted. `kafka_offset` may be past the end or before the log's start."""

    def knows_producer(self, lanes: Sequence[Lane], producer_id: int) -> Sequence[bool | None]:
        """For each lane, whether its leader has state of the producer id; None: it does not tell
        (the server cannot be asked, or we do not have the right to)."""

    def last_values(self, lane: Lane, record_count: int) -> Sequence[bytes]:
        """Values of up to the last `record_count` records, oldest first (adoption, F78)."""


class Sink(Protocol):
    """Carries sequenced batches to their partition leaders; decides nothing."""

    def send(self, batches: Sequence[SequencedBatch]) -> None:
        """Puts the batches on the wire, in order inside each lane; does not block. A batch that
        cannot be sent now (no leader, no connection) comes back from `poll` as RETRIABLE."""

    def poll(self, timeout_seconds: float) -> Sequence[ProduceOutcome]:
        """Drives the network until there is an outcome, `wake` is called, or the time is up.
        Each send of a batch yields exactly one outcome, in order inside each lane."""

    def wake(self) -> None:
        """Makes a `poll` in another thread return; callable from any thread."""

    def close(self) -> None:
        """Drops the connections. Outcomes not polled are lost."""


class BlockFeed(Protocol):
    """Encoded blocks in file order, prepared ahead of the loop."""

    def take(self) -> EncodedBlock | None:
        """The next block if it is ready, else None; raises what reading raised. Must not be called
        again after a block with a `failure`."""

    @property
    def exhausted(self) -> bool:
        """All blocks were taken and the source has ended."""

    def close(self) -> None:
        """Ends the background work; blocks for at most a few seconds."""


class Observer(Protocol):
    """Learns each step of a run: progress for people, crash points for the harness."""

    def report(self, step: Step, **facts: int) -> None:
        """Called by the loop's thread (and the store's thread for CHECKPOINT_*); must be quick."""
