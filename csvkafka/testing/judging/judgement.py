"""What a judged loader did, and what became of the topic: the values, and the comparison.

Of an incarnation it knows only where the topic ended when it began. So a record belongs to the
newest incarnation that had begun before it. Memory: some 100 bytes for each row.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

from csvkafka.kafka.settings import KafkaSettings
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.checker.row_ledger import Fields, SourceRow, digest
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.checker.topics import TopicsReader
from csvkafka.testing.checker.verdict import CheckpointObservation, Verdict


@dataclass(frozen=True, slots=True)
class Life:
    """One incarnation of the loader. `end`: `killed`, `paused` (and what became of it), `exit 0`,
    `exit 1`, `hung`; `rows_before`, `rows_after`: records in the topic when it began and when the
    next one did; `rows_repeated`: of those in between, how many showed a row that an earlier
    incarnation had sent, or this one twice; `first_row_seconds`: from its start to its first record
    in the topic, None if there was none."""

    number: int
    end: str
    rows_before: int
    rows_after: int
    rows_repeated: int
    seconds: float
    first_row_seconds: float | None = None

    @property
    def rows_new(self) -> int:
        """Rows that the topic did not hold before."""
        return self.rows_after - self.rows_before - self.rows_repeated


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer. `verdicts` by isolation level; `problems` are sentences on what else makes the
    loader fail, or makes the judgement worthless; `notes` are sentences on what else was seen."""

    command: str
    row_count: int
    source_bytes: int
    seed: int
    kills: int
    pauses: int
    lives: tuple[Life, ...]
    verdicts: Mapping[Isolation, Verdict]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def is_clean(self) -> bool:
        """No anomaly for any reader, and no problem."""
        return not self.problems and all(verdict.is_clean for verdict in self.verdicts.values())

    @property
    def load_seconds(self) -> float:
        """The time of all incarnations together, their starts included."""
        return sum(life.seconds for life in self.lives)

    @property
    def rows_per_second(self) -> float:
        """Rows that came into the topic for the first time, by `load_seconds`."""
        return sum(life.rows_new for life in self.lives) / max(self.load_seconds, 1e-9)

    @property
    def rows_repeated(self) -> int:
        """Rows that were sent again, by all incarnations."""
        return sum(life.rows_repeated for life in self.lives)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON's types."""
        return {
            "is_clean": self.is_clean,
            "command": self.command,
            "row_count": self.row_count,
            "source_bytes": self.source_bytes,
            "seed": self.seed,
            "kills": self.kills,
            "pauses": self.pauses,
            "rows_per_second": round(self.rows_per_second),
            "rows_repeated": self.rows_repeated,
            "incarnations": [{**asdict(life), "rows_new": life.rows_new} for life in self.lives],
            "readers": {str(level): v.to_json() for level, v in self.verdicts.items()},
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def compare(
    settings: KafkaSettings,
    topics: Sequence[str],
    rows: Iterator[SourceRow],
    expectation: Expectation,
    isolation: Isolation,
    checkpoints: Sequence[CheckpointObservation],
) -> Verdict:
    """The checker's answer on these rows of the source, for readers of that isolation level."""
    with TopicsReader(settings, topics, isolation) as reader:
        return check(rows, reader.records(), expectation, checkpoints)


def repeated_rows(
    settings: KafkaSettings,
    topics: Sequence[str],
    rows: Iterator[SourceRow],
    expectation: Expectation,
    began_at: Sequence[Mapping[int, int]],
) -> list[int]:
    """How many records of each incarnation show a row that the topic held already. `began_at`:
    where each partition ended when the incarnation began."""
    equal_rows = _equal_rows(rows, expectation)
    records = [0] * len(began_at)
    first_sent_by: dict[int, int] = {}
    sent_by: dict[int, list[int]] = {}  # where several rows are equal
    with TopicsReader(settings, topics) as reader:
        for partition, of_partition in reader.records().items():
            starts = [ends.get(partition, 0) for ends in began_at]
            for record in of_partition:
                row = _row_of(record, expectation)
                if row is not None:
                    life = max(0, bisect_right(starts, record.kafka_offset) - 1)
                    records[life] += 1
                    if row in equal_rows:
                        sent_by.setdefault(row, []).append(life)
                    else:
                        first_sent_by[row] = min(life, first_sent_by.get(row, life))
    firsts = (sorted(lives)[: equal_rows[row]] for row, lives in sent_by.items())
    for life in chain(first_sent_by.values(), *firsts):
        records[life] -= 1
    return records


def _row_of(record: TopicRecord, expectation: Expectation) -> int | None:
    """A number that only records of the same row share, or of equal ones; None if it is no record
    of the loader."""
    line, fields = expectation.decode(record)
    if line is not None or fields is None:
        return line
    return _content(fields, record.key, expectation)


def _content(fields: Fields, key: bytes | None, expectation: Expectation) -> int:
    return digest(fields, None if expectation.key_of is None else key)


def _equal_rows(rows: Iterator[SourceRow], expectation: Expectation) -> dict[int, int]:
    """Where rows are told by their content: how many rows have one, of those that several have."""
    if expectation.identify_by is IdentifyBy.LINE:
        return {}
    counts: Counter[int] = Counter()
    for line, row in enumerate(rows, 1):
        key = None if expectation.key_of is None else expectation.key_of(row)
        fields = expectation.fields_of(row, line)
        if fields is not None:
            counts[_content(fields, key, expectation)] += 1
    return {content: count for content, count in counts.items() if count > 1}
