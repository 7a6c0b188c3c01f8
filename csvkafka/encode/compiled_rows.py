"""The compiled way from a block to the records of its batches, for nearly every block.

A plan goes into a compiled encoder once, then blocks. It takes all rows that are as wide as the
header, quoted line ends and escapes too, to the same bytes as the reference way. By a declared
table it takes those whose fields are plainly of their types (`compiled_table`). The reference way
makes the others where they stand among these (`left_rows`), and those whose record may be so large
that they are set aside.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from csvkafka.compiled import CompiledModule, CompiledTable
from csvkafka.encode.bad_row import text_of
from csvkafka.encode.left_rows import LeftRows, framed
from csvkafka.encode.partitioning import ChooseLane
from csvkafka.encode.plain_rows import PlainRows
from csvkafka.encode.row_json import RowEncoder, key_index_of
from csvkafka.model import SOURCE_FILE, SOURCE_LINE, BadRows, Block, EncodePlan, Routing
from csvkafka.rows.csv_rows import source_codec

if TYPE_CHECKING:
    from csvkafka.schema.dropping import Question

PIECE_BYTES = 128 * 1024
"""About so many bytes of records are made, and compressed while they are in the processor's cache,
before the next ones."""

CUT_OTHERWISE = "the block was cut as another number of rows"

_ROUTINGS = {Routing.ONE_PARTITION: 0, Routing.KEY_CRC32: 1, Routing.KEY_MURMUR2: 2}


@dataclass(frozen=True, slots=True)
class LaneSections:
    """A block's records. `lanes`: of each lane, that of dead letters last, its rows, its records
    (without those that are skipped) and their records section. `dropped` rows are in no lane;
    `set_aside` names the dead letters."""

    lanes: Sequence[tuple[int, int, bytes]]
    dropped: int
    set_aside: tuple[str, ...]


class CompiledRows:
    """Encodes blocks of a plan; `of` says whether there can be any.

    Methods raise ValueError for a block in which too many rows are for the reference way, or a
    quote is open at the end, and BadRow as the reference way does."""

    @classmethod
    def of(
        cls, plan: EncodePlan, compiled: CompiledModule, rows: RowEncoder, choose_lane: ChooseLane
    ) -> CompiledRows | None:
        """None if all blocks of the plan are for the reference way, which is `rows`."""
        if plan.table is None:
            fits = PlainRows.fits(plan)
            return cls(plan, compiled, rows, choose_lane, _texts(plan), None, ()) if fits else None
        # Not at the top: most loads declare nothing, and their start should not pay for it.
        from csvkafka.encode.compiled_table import compiled_table

        found = compiled_table(plan, plan.table)
        return None if found is None else cls(plan, compiled, rows, choose_lane, *found)

    def __init__(
        self,
        plan: EncodePlan,
        compiled: CompiledModule,
        rows: RowEncoder,
        choose_lane: ChooseLane,
        texts: tuple[bytes, ...],
        table: CompiledTable | None,
        questions: tuple[Question, ...],
    ) -> None:
        self._plan = plan
        self._questions = questions
        self._rows = rows
        self._choose_lane = choose_lane
        self._takes_utf8 = source_codec(plan.dialect.encoding) == "utf-8"
        self._is_utf8 = compiled.is_utf8
        key_index = key_index_of(plan)
        quote = plan.dialect.quotechar
        self._encoder = compiled.Encoder(
            texts,
            ord(plan.dialect.delimiter),
            ord(quote) if quote else -1,
            -1 if key_index is None else key_index,
            plan.lane_count,
            _ROUTINGS[plan.routing],
            table,
            -1
            if plan.set_aside_above_bytes is None
            else min(plan.set_aside_above_bytes, sys.maxsize),
        )

    def utf8(self, block: Block) -> bytes:
        """The block's bytes in UTF-8, which is what the other methods take.

        Raises BadRow as `text_of` does."""
        data = block.data
        if data.isascii() or (self._takes_utf8 and self._is_utf8(data)):
            return data
        return text_of(block, self._plan).encode()

    def frame(self, block: Block, data: bytes, begin: int, end: int) -> Iterator[bytes]:
        """The records section of a batch of the block's rows from `begin` to before `end` (0 is the
        first), in pieces; `data` is what `utf8` returned.

        Raises ValueError too if the block reads as another number of rows than it was cut as."""
        offset = self._encoder.skip(data, begin) if begin else 0
        number = block.start.row_count + 1
        left = self._left_rows(block, data)
        row = begin
        while row < end:
            piece, offset, count, behind = self._encoder.frame(
                data, offset, number + row, row - begin, end - row, PIECE_BYTES
            )
            row += count
            if behind >= 0:
                piece += framed(left.records(row, offset, behind), row - begin)
                offset = behind
                row += 1
            elif count == 0:
                raise ValueError(CUT_OTHERWISE)
            if row == block.row_count and data[offset:].strip(b"\r\n"):
                raise ValueError(CUT_OTHERWISE)
            yield piece

    def frame_lanes(self, block: Block, data: bytes, skip: Sequence[int]) -> LaneSections:
        """The block's records by lanes, without those of the first `skip[lane]` rows of each.
        `data` is what `utf8` returned.

        Raises ValueError too if the block reads as another number of rows than it was cut as."""
        lane_count = self._plan.lane_count
        lane_total = lane_count + (self._plan.bad_rows is BadRows.DEAD_LETTER)
        skip = [*skip, *[0] * lane_total]
        rows_by_lane = [0] * lane_total
        sections: list[list[bytes]] = [[] for _ in range(lane_total)]
        set_aside: list[str] = []
        number = block.start.row_count + 1
        left = self._left_rows(block, data)
        dropped = memoryview(self._dropped(data))
        row = offset = 0
        while True:
            lanes, offset, count, behind = self._encoder.frame_lanes(
                data, offset, number + row, skip, rows_by_lane, dropped[row:]
            )
            for lane, (rows, section) in enumerate(lanes):
                if rows > rows_by_lane[lane]:
                    rows_by_lane[lane] = rows
                    sections[lane].append(section)
            row += count
            if behind < 0:
                break
            records = left.records(row, offset, behind)
            found = records.lane(0, self._choose_lane, lane_count)
            if found is not None:
                delta = rows_by_lane[found] - skip[found]
                if delta >= 0:
                    sections[found].append(framed(records, delta))
                rows_by_lane[found] += 1
            set_aside += [letter.place for letter in records.letters.values()]
            offset = behind
            row += 1
        if row != block.row_count:
            raise ValueError(CUT_OTHERWISE)
        made = [
            (rows, max(0, rows - skip[lane]), b"".join(sections[lane]))
            for lane, rows in enumerate(rows_by_lane)
        ]
        return LaneSections(made, row - sum(rows_by_lane), tuple(set_aside))

    def _dropped(self, data: bytes) -> bytes:
        """1 for each row that is dropped for what compiled code cannot tell, else 0."""
        answers = [
            [
                text is not None and each.passes(text) is not each.is_negated
                for text in self._encoder.texts(data, each.place)
            ]
            for each in self._questions
        ]
        return bytes(map(any, zip(*answers, strict=True)))

    def _left_rows(self, block: Block, data: bytes) -> LeftRows:
        return LeftRows(block, data, self._plan.dialect, self._rows)


def _texts(plan: EncodePlan) -> tuple[bytes, ...]:
    """What stands before each field, before the row's number, and at the end of a record."""
    source_file = b"," + orjson.dumps(SOURCE_FILE) + b":" + orjson.dumps(plan.source_uri) + b"}"
    return *_texts_of_columns(plan.header), source_file


@lru_cache(maxsize=8)
def _texts_of_columns(header: tuple[str, ...]) -> tuple[bytes, ...]:
    """All but the last of these texts; the files of a set have them in common."""
    names = [orjson.dumps(name) for name in header]
    return (
        b"{" + names[0] + b':"',
        *(b'",' + name + b':"' for name in names[1:]),
        b'",' + orjson.dumps(SOURCE_LINE) + b":",
    )
