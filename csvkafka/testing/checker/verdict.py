"""What the checker says: anomalies by name, each with its count and its first places.

`Verdict.is_clean` is the whole answer; `str(verdict)` is for people, `to_json` for reports. Nothing
here shows the content of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from csvkafka.errors import counted

MAX_PLACES = 10
"""How many places an anomaly keeps; the count goes on."""


class AnomalyKind(StrEnum):
    """What can be wrong. A row's *first occurrence* is the first record of it that is examined:
    inside a partition in the log's order; between partitions the smaller source line first, or the
    record that stands where its row is due."""

    LOST_ROW = "lost-row"
    """A row of the source that no record of the topic shows."""

    DUPLICATE_ROW = "duplicate-row"
    """A record of a row that had its first occurrence before; counted once per surplus record."""

    REORDERED_ROW = "reordered-row"
    """A first occurrence after one of a later row in the same partition; or one in another
    partition than its key belongs to (by rule, or because the key was seen elsewhere), or in
    another topic than its row belongs to."""

    TORN_ROW = "torn-row"
    """A first occurrence whose fields (or key) are not the row's; or a record that cannot be
    decoded at all, which then stands for no row."""

    PHANTOM_ROW = "phantom-row"
    """A record that stands for no row of the source, or for one that is to have none in this
    topic."""

    CHECKPOINT_AHEAD = "checkpoint-ahead"
    """The checkpoint covered a row that was not in the topic at that time. Counted once per
    observation; the place is the lowest such row."""

    CHECKPOINT_REGRESSED = "checkpoint-regressed"
    """The checkpoint covered fewer rows than it had before. Counted once per observation."""

    CHECKPOINT_MISCOUNTED = "checkpoint-miscounted"
    """The checkpoint said that another number of records was sent than the rows that it covered
    make, dead letters among them. Counted once per observation."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an anomaly is. None: there is no such place (a lost row has no Kafka offset). `topic`
    is said where a load has several."""

    partition: int | None = None
    kafka_offset: int | None = None
    source_line: int | None = None
    detail: str = ""
    topic: str | None = None

    def __str__(self) -> str:
        named = (
            ("topic", self.topic),
            ("partition", self.partition),
            ("Kafka offset", self.kafka_offset),
            ("source line", self.source_line),
        )
        place = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        return f"{place}: {self.detail}" if self.detail else place


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One kind of anomaly: how often, and its first `MAX_PLACES` places."""

    kind: AnomalyKind
    count: int
    places: tuple[Place, ...]

    @property
    def first(self) -> Place:
        """The place that was found first."""
        return self.places[0]

    def __str__(self) -> str:
        return f"{self.kind} x {self.count}, first at {self.first}"


@dataclass(frozen=True, slots=True)
class CheckpointObservation:
    """What the checkpoint said at one moment, and where the topic ended *after* that.

    `last_line` is the number of rows that it covered, `total_sent` the number of records that it
    says they made (None: not judged); `end_offsets` maps each partition to its high
    watermark, read after the checkpoint was (the other order would accuse the innocent).
    `seconds` is any clock, for the report."""

    last_line: int
    end_offsets: Mapping[int, int]
    seconds: float = 0.0
    total_sent: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The checker's answer. `row_count`: rows that the source has for this topic; `record_count`:
    records read; `foreign_count`: those that were ignored as another writer's; `rows_found`: rows
    with at least one record. `notes` say what could not be judged. `dropped`: rows that are to have
    no record, as the job's table says; `too_large`: rows that are to be set aside because their
    record would be larger than the job's limit."""

    row_count: int
    record_count: int
    foreign_count: int
    rows_found: int
    anomalies: tuple[Anomaly, ...] = ()
    notes: tuple[str, ...] = field(default=())
    dropped: int = 0
    too_large: int = 0

    @property
    def is_clean(self) -> bool:
        """No anomaly was found."""
        return not self.anomalies

    def anomaly(self, kind: AnomalyKind) -> Anomaly | None:
        """The anomaly of that kind, None if there is none."""
        return next((found for found in self.anomalies if found.kind is kind), None)

    def count(self, kind: AnomalyKind) -> int:
        """How often the anomaly was found."""
        found = self.anomaly(kind)
        return 0 if found is None else found.count

    def to_json(self) -> dict[str, object]:
        """All of it as JSON's types."""
        return {"is_clean": self.is_clean, **asdict(self)}

    def __str__(self) -> str:
        counts = f"{self.record_count} records, {self.rows_found} of {self.row_count} rows"
        if self.dropped:
            counts += f", {self.dropped} rows to be dropped"
        if self.too_large:
            counts += f", {counted(self.too_large, 'row')} too large, to be set aside"
        if self.foreign_count:
            counts += f", {self.foreign_count} records of other writers"
        lines = [f"{'clean' if self.is_clean else 'NOT CLEAN'}: {counts}"]
        lines += [f"  {anomaly}" for anomaly in self.anomalies]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)
