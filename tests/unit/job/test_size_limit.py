"""The limit that a job begins with leaves enough room: a record of just so many bytes is sent."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from csvkafka.encode.encoder import encode_block
from csvkafka.job.definition import JobSpec
from csvkafka.job.size_limit import with_size_limit
from csvkafka.model import BadRows, Block, EncodedBlock, Position
from csvkafka.schema.declaration import read_table

URI = "s3://bucket/key.csv"
HEADER = ("id", "name")
TABLE = read_table(
    '[record]\nmetadata = "headers"\nkey = "id"\n[columns]\nid = "string"\nname = "string"\n',
    "columns.toml",
)


def encoded(spec: JobSpec, batch_bytes: int, name: str) -> EncodedBlock:
    data = f"1,{name}\n".encode()
    plan = spec.plan(HEADER, URI, spec.lanes(1), batch_bytes, 100_000_000)
    block = Block(data, Position(0, 0), Position(len(data), 1), plain=False)
    return encode_block(block, replace(plan, max_batch_bytes=batch_bytes))


def noise(size: int, alphabet: str) -> str:
    """As many bytes of UTF-8."""
    chance = random.Random(size)
    text = "".join(chance.choices(alphabet, k=size // len(alphabet[0].encode()) + 1))
    return text.encode()[: size - size % len(alphabet[0].encode())].decode()


ALPHABETS = {
    "ascii": "".join(map(chr, range(32, 127))).replace('"', "").replace("\\", "").replace(",", ""),
    "two bytes": "".join(map(chr, range(0x80, 0x800))),
    "three bytes": "".join(map(chr, range(0x1000, 0xD000))),
}


@pytest.mark.parametrize("codec", ["none", "gzip", "zstd", "lz4", "snappy"])
@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("batch_bytes", [16_384, 1_047_564])
def test_a_record_of_the_usual_limit_fits_by_any_codec(
    codec: str, alphabet: str, batch_bytes: int
) -> None:
    """Of text that no codec makes much of."""
    spec = JobSpec(
        "job",
        "rows",
        bad_rows=BadRows.DEAD_LETTER,
        dead_letter_topic="dead",
        compression=codec,
        table=TABLE,
    )
    spec = with_size_limit(spec, batch_bytes)
    assert spec.size_limit is not None
    besides = len('1{"id":"1","name":""}_source_line1_source_file' + URI)
    largest = noise(spec.size_limit - besides, ALPHABETS[alphabet])
    sent = encoded(spec, batch_bytes, largest)
    assert (sent.failure, sent.rows_by_lane) == (None, (1, 0))
    set_aside = encoded(spec, batch_bytes, largest + "xyz")
    assert (set_aside.failure, set_aside.rows_by_lane) == (None, (0, 1))
