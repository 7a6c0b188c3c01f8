"""Processor time per row of each stage between the source's chunks and the socket.

    python -m benchmarks.encode FILE.csv [--codec gzip] [--quote-all] [--rows 300000]
                                [--columns TABLE.toml] [--bad-row-every 10000]

Prints microseconds of processor time per row; the best of three passes of each stage. With
`--bad-row-every`, one row of so many has a field too many, and is a dead letter.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from csvkafka.encode.encoder import encode_block, encode_reference
from csvkafka.model import START, BadRows, Dialect, EncodePlan, ProducerIdentity
from csvkafka.records.record_batch import compress, seal
from csvkafka.rows.blocks import cut_blocks, read_header
from csvkafka.schema.declaration import read_table

CHUNK_BYTES = 1 << 20
SURPLUS = b",surplus\n"
T = TypeVar("T")


def best(stage: Callable[[], T]) -> tuple[T, float]:
    """The result of `stage` and the least processor time of three calls, in seconds."""
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        result = stage()
        seconds.append(time.process_time() - begun)
    return result, min(seconds)


def quoted(data: bytes) -> bytes:
    """The same table with every field in quotes."""
    text = io.StringIO(newline="")
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--codec", default="gzip")
    parser.add_argument("--quote-all", action="store_true")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--columns", type=Path)
    parser.add_argument("--bad-row-every", type=int, default=0)
    options = parser.parse_args()
    with options.file.open("rb") as file:
        lines = list(itertools.islice(file, options.rows + 1))
    if options.bad_row_every:
        for number in range(options.bad_row_every, len(lines), options.bad_row_every):
            lines[number] = lines[number].rstrip() + SURPLUS
    data = b"".join(lines)
    if options.quote_all:
        data = quoted(data)
    chunks = [data[i : i + CHUNK_BYTES] for i in range(0, len(data), CHUNK_BYTES)]
    names = read_header(chunks, Dialect()).names
    text = options.columns.read_text() if options.columns else ""
    plan = EncodePlan(
        names,
        "s3://bucket/key.csv",
        compression=options.codec,
        bad_rows=BadRows.DEAD_LETTER if options.bad_row_every else BadRows.STOP,
        table=read_table(text, options.columns.name) if text else None,
    )
    # Cut for the codec, so not bounded without it.
    plain = dataclasses.replace(plan, compression="none", max_batch_bytes=1 << 30)

    blocks, cut = best(lambda: list(cut_blocks(chunks, START, plan)))
    framed, frame = best(lambda: [encode_block(block, plain) for block in blocks])
    sections = [batch.records for block in framed for batch in block.batches]
    _, pack = best(lambda: [compress(options.codec, (section,)) for section in sections])
    encoded, whole = best(lambda: [encode_block(block, plan) for block in blocks])
    batches = [batch for block in encoded for batch in block.batches]
    _, stamp = best(lambda: [seal(batch, ProducerIdentity(1, 0), 0, 0) for batch in batches])
    _, reference = best(lambda: [encode_reference(block, plain) for block in blocks[:8]])

    mixed = 0.0
    if options.bad_row_every:
        ways = [encode_reference if SURPLUS in block.data else encode_block for block in blocks]
        both = list(zip(ways, blocks, strict=True))
        _, mixed = best(lambda: [encode(block, plain) for encode, block in both])

    count = blocks[-1].end.row_count
    plain_blocks = sum(block.plain for block in blocks)
    print(f"{count} rows of {len(data) / count:.0f} bytes, {len(names)} columns; ", end="")
    print(f"{len(blocks)} blocks, {plain_blocks} of them plain; ", end="")
    print(f"{sum(len(b.records) for b in batches) / count:.1f} bytes per row on the wire")
    stages = {"cut": cut, "JSON and framing": frame, options.codec: pack, "seal": stamp}
    for name, seconds in {**stages, "in all": cut + whole + stamp}.items():
        print(f"{name:>30} {seconds / count * 1e6:6.3f} µs/row")
    if mixed:
        name = "row by row where a row is bad"
        print(f"{name:>30} {mixed / count * 1e6:6.3f} µs/row")
    name = "JSON and framing, row by row"
    print(f"{name:>30} {reference / blocks[7].end.row_count * 1e6:6.3f} µs/row")


if __name__ == "__main__":
    main()
