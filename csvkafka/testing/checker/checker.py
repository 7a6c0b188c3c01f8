"""Judges a load: are the rows of the source in the topic, each once, in order, with their content?

Knows nothing of the loader. It walks the topic's partitions beside the source, and reports
anomalies by name (`AnomalyKind` defines them) with their places. An `Expectation` says how a record
shows its row, so loaders with other records can be judged too.

Memory does not grow with a clean load, whatever its size, if records carry their source line: the
partitions are merged by it. `row_ledger` says what the rest costs.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from csvkafka.testing.checker.agreement import Agreement, Lookaheads, Run
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.expectation import (
    PER_TOPIC,
    Expectation,
    IdentifyBy,
    any_of,
    partition_text,
)
from csvkafka.testing.checker.observed_rows import DroppedRows, UncoveredRows
from csvkafka.testing.checker.records_ahead import RecordsAhead
from csvkafka.testing.checker.row_ledger import (
    ContentLedger,
    Due,
    ExpectedRow,
    Fields,
    Found,
    LineLedger,
    SourceRow,
    TooLarge,
)
from csvkafka.testing.checker.size_limit import record_size
from csvkafka.testing.checker.verdict import (
    MAX_PLACES,
    Anomaly,
    AnomalyKind,
    CheckpointObservation,
    Place,
    Verdict,
)

KEY_LIMIT = 1_000_000
"""How many distinct keys are remembered to see that each stays in one partition; about 150 bytes
each."""


def check(
    source_rows: Iterable[SourceRow],
    topic_records: Mapping[int, Iterable[TopicRecord]],
    expectation: Expectation | None = None,
    checkpoints: Sequence[CheckpointObservation] = (),
) -> Verdict:
    """Judges the topic's records, by partition and each in the log's order, against the source.

    Reads all iterables once, side by side. `checkpoints` are in the order in which they were
    observed."""
    expectation = expectation or Expectation()
    judge = _Judge(source_rows, topic_records, expectation, checkpoints)
    if expectation.identify_by is IdentifyBy.LINE:
        ahead = {p: RecordsAhead.of(records) for p, records in topic_records.items()}
        judge.walk(ahead, source_rows)
    else:
        for partition, records in topic_records.items():
            for record in records:
                judge.examine(partition, record, *expectation.decode(record))
    return judge.verdict()


class _Judge:
    """One judgement: gathers anomalies record by record."""

    def __init__(
        self,
        source_rows: Iterable[SourceRow],
        partitions: Iterable[int],
        expectation: Expectation,
        checkpoints: Sequence[CheckpointObservation],
    ) -> None:
        self._expectation = expectation
        self._decode = expectation.decode
        judges_keys = expectation.key_of is not None
        self._dropped = DroppedRows(checkpoints)
        self._too_large_count = 0
        self._by_line: LineLedger | None = None
        self._by_content: ContentLedger | None = None
        if expectation.identify_by is IdentifyBy.LINE:
            self._by_line = LineLedger(source_rows, self._expecting, judges_keys)
        else:
            self._by_content = ContentLedger(source_rows, self._expecting, judges_keys)
        self._last_line = dict.fromkeys(partitions, 0)
        self._last_in_stream: dict[tuple[int, int], int] = {}
        """By partition and stream, where order holds within streams."""
        self._partition_of_key: dict[int, int] = {}
        self._checkpoints = checkpoints
        self._uncovered = {p: UncoveredRows(p, checkpoints) for p in self._last_line}
        self._counts: dict[AnomalyKind, int] = {}
        self._places: dict[AnomalyKind, list[Place]] = {}
        self._record_count = self._foreign_count = self._rows_found = 0

    def _expecting(self, row: SourceRow, line: int) -> Due:
        expectation = self._expectation
        key = None if expectation.key_of is None else expectation.key_of(row)
        fields = expectation.fields_of(row, line)
        if fields is None:
            if expectation.is_dropped is not None and expectation.is_dropped(row):
                self._dropped.note(line)
            return None
        due = ExpectedRow(fields, key, self._place_of(row, key))
        if expectation.size_limit is not None:
            size = expectation.size_limit.size_above(row, line, key)
            if size:
                self._too_large_count += 1
                return TooLarge(due, size)
        return due

    def _place_of(self, row: SourceRow, key: bytes | None) -> int:
        """The partition of a row's record, as `ExpectedRow` has it."""
        expectation = self._expectation
        if expectation.number_for is not None:
            return expectation.number_for(row, key)
        if expectation.topic_of is not None:
            return any_of(expectation.topic_of(row))
        return -1 if expectation.partition_of is None else expectation.partition_of(key)

    def walk(self, partitions: Lookaheads, source_rows: Iterable[SourceRow]) -> None:
        """Judges all records: those that are plainly the next rows' many at a time, others one by
        one, until the rows that were compared are behind."""
        ledger = self._by_line
        assert ledger is not None
        agreement = None
        if self._expectation.stream_of is None:
            agreement = Agreement.of(source_rows, partitions, self._expectation)
        last_line = sys.maxsize
        while True:
            if agreement is not None:
                runs, last_line = agreement.advance(ledger.next_line)
                for run in runs:
                    ledger.skip_found(len(run.lines))
                    self._note_found(run)
            if not self._examine_to(last_line, partitions, ledger):
                return

    def _note_found(self, run: Run) -> None:
        count = len(run.lines)
        self._record_count += count
        self._rows_found += count
        self._last_line[run.partition] = run.lines[-1]
        self._uncovered[run.partition].note_run(run)

    def _examine_to(self, last_line: int, partitions: Lookaheads, ledger: LineLedger) -> bool:
        """Judges record by record until the source was read behind `last_line`: each partition in
        its order, the smallest source line among the partitions first, records without one at
        once. False once no records are left."""
        heads: list[tuple[int, int, TopicRecord, Fields | None]] = []
        advancing = list(partitions)
        while ledger.next_line <= last_line:
            for partition in advancing:
                for record in partitions[partition]:
                    line, fields = self._decode(record)
                    if line is not None:
                        heapq.heappush(heads, (line, partition, record, fields))
                        break
                    self.examine(partition, record, None, fields)
            if not heads:
                return False
            line, partition, record, fields = heapq.heappop(heads)
            self.examine(partition, record, line, fields)
            advancing = [partition]
        for _, partition, _, _ in heads:
            partitions[partition].give_back()
        return True

    def examine(
        self, partition: int, record: TopicRecord, line: int | None, fields: Fields | None
    ) -> None:
        """Judges the next record of a partition."""
        self._record_count += 1
        size_above = 0
        if self._by_content is not None and fields is not None:
            places = (partition, any_of(partition // PER_TOPIC))
            after = self._last_line[partition]
            found, line = self._by_content.take(fields, record.key, after, places)
            size_above = self._by_content.size_above
        elif self._by_line is not None and line is not None and fields is not None:
            found = self._by_line.take(line, fields, record.key)
            size_above = self._by_line.size_above
        elif self._expectation.ignore_foreign and line is None:
            self._foreign_count += 1
            return
        elif fields is None:
            self._note(AnomalyKind.TORN_ROW, partition, record, line, "cannot be decoded")
            return
        else:
            found = Found.NO_SUCH_ROW
        if found is Found.REPEATED:
            self._note(AnomalyKind.DUPLICATE_ROW, partition, record, line)
        elif found is Found.NO_SUCH_ROW:
            if self._expectation.ignore_foreign and (
                (self._by_content is not None and not size_above)
                or self._expectation.is_of_another(partition, record.kafka_offset)
            ):
                self._foreign_count += 1
                return
            what = "" if line is not None else "shows no row of this source"
            if size_above:
                what = f"its row makes {size_above} bytes, {self._above}: it should be set aside"
            self._note(AnomalyKind.PHANTOM_ROW, partition, record, line, what)
        else:
            assert line is not None
            limit = self._expectation.size_limit
            if found is Found.TORN:
                what = "its content is not the row's"
                self._note(AnomalyKind.TORN_ROW, partition, record, line, what)
            elif limit is not None and (size := record_size(record)) > limit.most_bytes:
                what = f"it has {size} bytes, {self._above}, and more than its row makes"
                self._note(AnomalyKind.TORN_ROW, partition, record, line, what)
            self._examine_first(partition, record, line)

    @property
    def _above(self) -> str:
        limit = self._expectation.size_limit
        assert limit is not None
        return f"more than the {limit.most_bytes} of DEAD_LETTER_ABOVE_BYTES"

    def _examine_first(self, partition: int, record: TopicRecord, line: int) -> None:
        """The order and the partition of a row's first occurrence."""
        self._rows_found += 1
        last_line = self._last_before(partition, line)
        if line > last_line:
            self._set_last(partition, line)
        else:
            self._note(AnomalyKind.REORDERED_ROW, partition, record, line, f"after {last_line}")
        due = self._due_partition(record.key, partition)
        if due != partition:
            place = partition_text(due, self._expectation.topics)
            self._note(AnomalyKind.REORDERED_ROW, partition, record, line, f"belongs to {place}")
        self._uncovered[partition].note(record.kafka_offset, line)

    def _last_before(self, partition: int, line: int) -> int:
        """The last row found of those in whose order the row stands. Within streams, equal rows
        that only their content tells might be taken for each other's, so nothing is said there."""
        stream_of = self._expectation.stream_of
        if stream_of is None:
            return self._last_line[partition]
        if self._by_content is not None:
            return 0
        return self._last_in_stream.get((partition, stream_of(line)), 0)

    def _set_last(self, partition: int, line: int) -> None:
        self._last_line[partition] = line
        stream_of = self._expectation.stream_of
        if stream_of is not None:
            self._last_in_stream[partition, stream_of(line)] = line

    def _due_partition(self, key: bytes | None, partition: int) -> int:
        """Where a record with this key belongs, as far as that is known."""
        ledger, topic = self._by_line or self._by_content, 0
        assert ledger is not None
        if self._expectation.number_for is not None:
            return ledger.due
        if self._expectation.topic_of is not None:
            topic = partition // PER_TOPIC
            if ledger.due != any_of(topic):
                return ledger.due
        if self._expectation.partition_of is not None:
            return self._expectation.partition_of(key)
        if self._expectation.key_of is None or key is None or len(self._last_line) == 1:
            return partition
        salt = topic.to_bytes(4, "big")
        name = int.from_bytes(blake2b(key, digest_size=8, salt=salt).digest(), "big")
        if len(self._partition_of_key) < KEY_LIMIT:
            return self._partition_of_key.setdefault(name, partition)
        return self._partition_of_key.get(name, partition)

    def _note(
        self,
        kind: AnomalyKind,
        partition: int | None,
        record: TopicRecord | None,
        line: int | None,
        detail: str = "",
    ) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        places = self._places.setdefault(kind, [])
        if len(places) < MAX_PLACES:
            kafka_offset = None if record is None else record.kafka_offset
            topic = None
            topics = self._expectation.topics
            if partition is not None and len(topics) > 1:
                is_known = partition >= 0
                number = partition // PER_TOPIC if is_known else any_of(partition)
                topic, partition = topics[number], partition % PER_TOPIC if is_known else None
            places.append(Place(partition, kafka_offset, line, detail, topic))

    def verdict(self) -> Verdict:
        """The answer, after the last record."""
        ledger = self._by_line or self._by_content
        assert ledger is not None
        first_missing: int | None = None
        for line, partition in ledger.missing():
            first_missing = line if first_missing is None else first_missing
            if self._is_lost(line, partition):
                is_known = partition >= 0 or self._expectation.topic_of is not None
                place = partition if is_known else None
                self._note(AnomalyKind.LOST_ROW, place, None, line)
        self._judge_checkpoints(first_missing)
        notes = []
        if len(self._partition_of_key) >= KEY_LIMIT:
            notes.append(f"only the first {KEY_LIMIT} distinct keys were held to one partition")
        if self._by_content is not None and self._expectation.stream_of is not None:
            notes.append("order was not judged: rows of several files were told by content alone")
        return Verdict(
            row_count=ledger.row_count,
            record_count=self._record_count,
            foreign_count=self._foreign_count,
            rows_found=self._rows_found,
            anomalies=tuple(
                Anomaly(kind, self._counts[kind], tuple(self._places[kind]))
                for kind in AnomalyKind
                if kind in self._counts
            ),
            notes=tuple(notes),
            dropped=self._dropped.count,
            too_large=self._too_large_count,
        )

    def _is_lost(self, line: int, partition: int) -> bool:
        if self._expectation.complete:
            return True
        if partition < 0 and len(self._last_line) == 1:
            (partition,) = self._last_line
        return partition in self._last_line and line < self._last_before(partition, line)

    def _judge_checkpoints(self, first_missing: int | None) -> None:
        uncovered = [
            {p: line for p, rows in self._uncovered.items() if (line := rows.lowest(index))}
            for index in range(len(self._checkpoints))
        ]
        highest = 0
        for observation, lowest in zip(self._checkpoints, uncovered, strict=True):
            covered = observation.last_line
            if covered < highest:
                detail = f"covers {covered} rows, covered {highest} before"
                self._note(AnomalyKind.CHECKPOINT_REGRESSED, None, None, covered, detail)
            highest = max(highest, covered)
            due = covered - self._dropped.count_to(covered)
            if observation.total_sent not in (None, due):
                detail = f"says {observation.total_sent} records sent of {covered} rows, due: {due}"
                self._note(AnomalyKind.CHECKPOINT_MISCOUNTED, None, None, covered, detail)
            candidates: list[tuple[int, int | None]] = [(line, p) for p, line in lowest.items()]
            if first_missing is not None:
                candidates.append((first_missing, None))
            line, partition = min(candidates, key=lambda found: found[0], default=(sys.maxsize, 0))
            if line <= covered:
                detail = f"covered {covered} rows before this one was in the topic"
                self._note(AnomalyKind.CHECKPOINT_AHEAD, partition, None, line, detail)
