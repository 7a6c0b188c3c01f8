"""What a load would take, from samples of its source that the load's own encoder encodes.

An estimate says on how much it rests. Where the samples do not tell, it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from csvkafka.encode.encoder import check_plan
from csvkafka.encode.joined import encode_joined
from csvkafka.errors import CsvKafkaError
from csvkafka.model import EncodePlan, PieceStart, Position
from csvkafka.records.record_batch import BATCH_OVERHEAD_BYTES
from csvkafka.rows.blocks import cut_blocks
from csvkafka.rows.joining import joined
from csvkafka.rows.pieces import PlacedBlock
from csvkafka.rows.samples import Sampler, Stretch

MOST_SECONDS = 3.0
"""After so much processor time no further block is encoded: a TRANSFORM may take long."""

WRITES_OF_A_START_AND_AN_END = 4
"""The item is created, the lease taken, the producer id stored, and the end."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of a whole load; None: not known. Of `row_count` rows the table drops `dropped_count`, and
    the others make a record each. `topic_bytes` counts one replica, as compressed;
    `encode_seconds` is processor time of one thread. It rests on `sampled_rows` in `places`, which
    hold `sampled_bytes` of whole rows; in `misfits` of them encoding stopped at a row that did not
    fit, which may be half of one. `is_exact`: all of the source was encoded."""

    row_count: int | None
    dropped_count: int | None
    topic_bytes: int | None
    most_checkpoint_writes: int | None
    encode_seconds: float | None
    rows_per_second: float | None
    sampled_rows: int
    sampled_bytes: int
    places: int
    misfits: int
    is_exact: bool


class Estimator:
    """Gathers what samples show, of one file after the other."""

    def __init__(self, checkpoint_rows: int, processor_seconds: Callable[[], float]) -> None:
        """`processor_seconds` is the processor time of this thread so far."""
        self._checkpoint_rows = checkpoint_rows
        self._processor_seconds = processor_seconds
        self._stored_bytes = 0
        self._content_bytes: int | None = 0
        self._sampled_bytes = self._row_count = self._batch_bytes = self._block_count = 0
        self._places = self._misfits = self._dropped_count = 0
        self._cut_bytes = self._cut_rows = 0
        self._seconds = 0.0
        self._saw_all = True
        self._waiting: list[PlacedBlock] = []

    def look(
        self,
        sampler: Sampler,
        plan: EncodePlan,
        content_bytes: Callable[[], int | None],
        *,
        shares_batches: bool = False,
    ) -> None:
        """Encodes samples of a file. `content_bytes` tells, after they were read, how many bytes
        its rows have in all; None: nobody knows. With `shares_batches`, its rows may be in a batch
        with those of other files. Raises as the source does."""
        check_plan(plan)  # makes what encoding needs, before the time is taken
        for stretch in sampler.stretches():
            if self._seconds > MOST_SECONDS:
                break
            self._places += 1
            self._cut(stretch, plan, shares_batches)
        self._saw_all = self._saw_all and sampler.saw_all
        self._stored_bytes += sampler.size
        content = content_bytes()
        if content is None or self._content_bytes is None:
            self._content_bytes = None
        else:
            self._content_bytes += content

    def _cut(self, stretch: Stretch, plan: EncodePlan, shares_batches: bool) -> None:
        # Numbers of rows are part of the records: so many rows are about before this one.
        rows_before = stretch.byte_offset * self._row_count // max(1, self._sampled_bytes)
        start = Position(stretch.byte_offset, rows_before)
        begun = self._processor_seconds()
        # Rows longer than a place are seldom whole in one. By its beginning each is counted once.
        self._cut_bytes += stretch.bytes_before
        try:
            for block in cut_blocks([stretch.data] if stretch.data else [], start, plan):
                piece = PieceStart() if shares_batches else None
                self._waiting.append(PlacedBlock(block, plan, piece))
                # What is between two blocks are blank lines and comments.
                self._sampled_bytes += block.end.byte_offset - start.byte_offset
                start = block.end
                fits = self._encode(may_go_on=shares_batches)
                if self._seconds + self._processor_seconds() - begun > MOST_SECONDS:
                    self._saw_all = False
                    break
                if not fits:
                    break
            else:
                self._cut_bytes += stretch.bytes_after
                self._cut_rows += stretch.bytes_after > 0
        except CsvKafkaError:
            self._misfits += 1
        self._seconds += self._processor_seconds() - begun

    def _encode(self, *, may_go_on: bool) -> bool:
        """Encodes the blocks that wait, those of one batch together, as a load does. If the last
        batch `may_go_on`, its blocks wait for those that follow. Returns whether all rows fit."""
        groups = list(joined(self._waiting))
        self._waiting = list(groups.pop()) if may_go_on and groups else []
        fit = [self._count(group) for group in groups]
        return all(fit)

    def _count(self, blocks: Sequence[PlacedBlock]) -> bool:
        """One batch of each lane, of these blocks. Returns whether all of their rows fit."""
        encoded = encode_joined(blocks)
        if encoded.failure is not None and len(blocks) > 1:
            fit = [self._count([cut]) for cut in blocks]
            return all(fit)
        row_count = sum(cut.block.row_count for cut in blocks)
        if encoded.failure is not None:
            (cut,) = blocks
            self._misfits += 1
            self._sampled_bytes -= cut.block.end.byte_offset - encoded.end.byte_offset
            row_count = encoded.end.row_count - cut.block.start.row_count
        self._row_count += row_count
        self._block_count += 1
        self._dropped_count += row_count - sum(encoded.rows_by_lane)
        self._batch_bytes += sum(
            BATCH_OVERHEAD_BYTES + len(batch.records) for batch in encoded.batches
        )
        return encoded.failure is None

    def estimate(self, source_bytes: int) -> Estimate:
        """For a source of so many stored bytes, of which the files that were looked at are part."""
        begun = self._processor_seconds()
        self._encode(may_go_on=False)
        self._seconds += self._processor_seconds() - begun
        is_exact = self._saw_all and not self._misfits and source_bytes == self._stored_bytes
        factor: float | None = None
        rows: int | None = None
        if is_exact:
            factor, rows = 1.0, self._row_count
        elif self._content_bytes is not None and self._row_count and self._stored_bytes:
            content_bytes = self._content_bytes * source_bytes / self._stored_bytes
            factor = content_bytes / self._sampled_bytes
            looked_at = self._sampled_bytes + self._cut_bytes
            rows = round((self._row_count + self._cut_rows) * content_bytes / looked_at)
        blocks = None if factor is None else round(self._block_count * factor)
        most_writes = None
        if rows is not None and blocks is not None:
            most_writes = min(rows // self._checkpoint_rows, blocks) + WRITES_OF_A_START_AND_AN_END
        return Estimate(
            row_count=rows,
            dropped_count=None
            if rows is None
            else round(rows * self._dropped_count / max(1, self._row_count)),
            topic_bytes=None if factor is None else round(self._batch_bytes * factor),
            most_checkpoint_writes=most_writes,
            encode_seconds=None if factor is None else self._seconds * factor,
            rows_per_second=self._row_count / self._seconds if self._seconds else None,
            sampled_rows=self._row_count,
            sampled_bytes=self._sampled_bytes,
            places=self._places,
            misfits=self._misfits,
            is_exact=is_exact,
        )
