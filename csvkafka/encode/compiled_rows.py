"""The compiled way from a block to the records of its batches, for nearly every block.

A plan goes into a compiled encoder once, then blocks. It takes all blocks whose rows are as wide
as the header, quoted line ends and escapes too, to the same bytes as the reference way. By a
declared table it takes those whose fields are plainly of their types (`compiled_table`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from csvkafka.compiled import CompiledModule, CompiledTable
from csvkafka.encode.bad_row import text_of
from csvkafka.encode.plain_rows import PlainRows
from csvkafka.encode.row_json import key_index_of
from csvkafka.model import SOURCE_FILE, SOURCE_LINE, Block, EncodePlan, Routing
from csvkafka.rows.csv_rows import source_codec

PIECE_BYTES = 128 * 1024
"""About so many bytes of records are made, and compressed while they are in the processor's cache,
before the next ones."""

_ROUTINGS = {Routing.ONE_PARTITION: 0, Routing.KEY_CRC32: 1, Routing.KEY_MURMUR2: 2}


class CompiledRows:
    """Encodes blocks of a plan; `of` says whether there can be any.

    Methods raise ValueError for a row of another width than the header's, and for a field that may
    not be of its declared type."""

    @classmethod
    def of(cls, plan: EncodePlan, compiled: CompiledModule) -> CompiledRows | None:
        """None if all blocks of the plan are for the reference way."""
        if plan.table is None:
            return cls(plan, compiled, _texts(plan), None) if PlainRows.fits(plan) else None
        # Not at the top: most loads declare nothing, and their start should not pay for it.
        from csvkafka.encode.compiled_table import compiled_table

        found = compiled_table(plan, plan.table)
        return None if found is None else cls(plan, compiled, *found)

    def __init__(
        self,
        plan: EncodePlan,
        compiled: CompiledModule,
        texts: tuple[bytes, ...],
        table: CompiledTable | None,
    ) -> None:
        self._plan = plan
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
        number = block.start.row_count + 1 + begin
        done = 0
        while done < end - begin:
            piece, offset, count = self._encoder.frame(
                data, offset, number + done, done, end - begin - done, PIECE_BYTES
            )
            done += count
            if count == 0 or (begin + done == block.row_count and data[offset:].strip(b"\r\n")):
                raise ValueError("the block was cut as another number of rows")
            yield piece

    def frame_lanes(
        self, block: Block, data: bytes, skip: Sequence[int]
    ) -> Sequence[tuple[int, int, bytes]]:
        """For each lane: its rows, its records (without those of the first `skip[lane]` rows), and
        their records section. `data` is what `utf8` returned."""
        return self._encoder.frame_lanes(data, block.start.row_count + 1, skip)


def _texts(plan: EncodePlan) -> tuple[bytes, ...]:
    """What stands before each field, before the row's number, and at the end of a record."""
    names = [orjson.dumps(name) for name in plan.header]
    return (
        b"{" + names[0] + b':"',
        *(b'",' + name + b':"' for name in names[1:]),
        b'",' + orjson.dumps(SOURCE_LINE) + b":",
        b"," + orjson.dumps(SOURCE_FILE) + b":" + orjson.dumps(plan.source_uri) + b"}",
    )
