"""The first records of a load, and what all of it would take, from bytes in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from random import Random

import pytest

from csvkafka.cli.dry_run_view import estimate_lines
from csvkafka.encode.encoder import encode_block
from csvkafka.encode.joined import encode_joined
from csvkafka.errors import MalformedRowError
from csvkafka.job import estimate
from csvkafka.job.dry_run import first_records
from csvkafka.job.estimate import Estimator
from csvkafka.model import START, BadRows, Dialect, EncodePlan, Lane, PieceStart, Routing
from csvkafka.rows.blocks import Header, cut_blocks
from csvkafka.rows.joining import joined
from csvkafka.rows.pieces import PlacedBlock, one_object
from csvkafka.rows.samples import RANGES, Sampler
from csvkafka.schema.declaration import read_table

HEADER = b"id,name\n"
ROWS = b"".join(b"%d,name %d\n" % (n, n % 7) for n in range(500_000))
DATA = HEADER + ROWS
PLAN = EncodePlan(("id", "name"), "s3://b/k.csv")
LANES = (Lane("rows", 0), Lane("rows", 1), Lane("bad", 0))


def read(byte_offset: int, data: bytes = DATA) -> Iterator[bytes]:
    for at in range(byte_offset, len(data), 65_536):
        yield data[at : at + 65_536]


def sampler(data: bytes = DATA) -> Sampler:
    header = Header(("id", "name"), len(HEADER))
    return Sampler(partial(read, data=data), len(data), header, Dialect())


def test_rows_of_all_lanes_come_in_their_order() -> None:
    plan = dataclasses.replace(
        PLAN,
        lane_count=2,
        routing=Routing.KEY_MURMUR2,
        key_column="id",
        bad_rows=BadRows.DEAD_LETTER,
    )
    cut = one_object(lambda _: [b'id,name\na,1\nb,2\nc\n\n"d\n1",3\n'])
    records = list(first_records(cut, plan, LANES, 4))
    assert [record.source_line for record in records] == [1, 2, 3, 4]
    topics = [record.lane and record.lane.topic for record in records]
    assert topics == ["rows", "rows", "bad", "rows"]
    assert [record.key for record in records] == [b"a", b"b", None, b"d\n1"]
    assert records[2].value == b"c"
    assert len(list(first_records(cut, plan, LANES, 2))) == 2


def test_what_ends_the_load_is_raised_after_the_records_before_it() -> None:
    cut = one_object(lambda _: [b'id,name\n1,a\n2,"b\n'])
    found: list[object] = []
    with pytest.raises(MalformedRowError, match="row 2 at byte 12"):
        found.extend(first_records(cut, PLAN, LANES[:1], 9))
    cut = one_object(lambda _: [b"id,name\n1,a\n2\n"])
    records = first_records(cut, PLAN, LANES[:1], 9)
    assert next(records).source_line == 1
    with pytest.raises(MalformedRowError, match="row 2 "):
        next(records)


def test_an_estimate_is_near_to_what_all_of_it_is() -> None:
    estimator = Estimator(10_000, lambda: 0.0)
    estimator.look(sampler(), PLAN, lambda: len(ROWS))
    found = estimator.estimate(len(DATA))
    batches = [
        b for block in cut_blocks(read(0), START, PLAN) for b in encode_block(block, PLAN).batches
    ]
    topic_bytes = sum(len(batch.records) + 61 for batch in batches)
    assert found.row_count == pytest.approx(500_000, rel=0.02)
    assert found.topic_bytes == pytest.approx(topic_bytes, rel=0.1)
    assert found.places == RANGES
    assert not found.is_exact
    assert found.most_checkpoint_writes is not None
    assert found.most_checkpoint_writes <= 54


def test_rows_longer_than_a_place_are_estimated_as_the_rows_that_they_are() -> None:
    rows = [b"%d,name %d\n" % (n, n % 7) for n in range(100_000)]
    for number in (17_000, 40_000, 70_000):
        rows[number] = b"%d,%s\n" % (number, b"n" * 3_000_000)
    data = HEADER + b"".join(rows)
    estimator = Estimator(10_000, lambda: 0.0)
    estimator.look(sampler(data), PLAN, lambda: len(data))
    found = estimator.estimate(len(data))
    assert found.row_count == pytest.approx(100_000, rel=0.5)  # all else but these was 1,000,000


@pytest.mark.parametrize("row_bytes", [100, 100_000, 200_000, 300_000])
def test_rows_of_any_length_are_estimated(row_bytes: int) -> None:
    row = b"1,%s\n" % (b"n" * (row_bytes - 3))
    data = HEADER + row * (30_000_000 // row_bytes)
    estimator = Estimator(10_000, lambda: 0.0)
    estimator.look(sampler(data + row), PLAN, lambda: len(data))
    found = estimator.estimate(len(data))
    if found.sampled_rows:
        assert found.row_count == pytest.approx(30_000_000 // row_bytes, rel=0.1)
    else:
        assert (row_bytes, found.row_count, found.topic_bytes) == (300_000, None, None)


def test_of_a_source_in_one_row_nothing_is_estimated() -> None:
    data = HEADER + b"1,%s\n" % (b"n" * 6_000_000)
    estimator = Estimator(10_000, lambda: 0.0)
    estimator.look(sampler(data), PLAN, lambda: len(data))
    found = estimator.estimate(len(data))
    assert (found.row_count, found.misfits, found.is_exact) == (None, 0, False)
    assert "  rows               not known: no place that was looked at holds a whole row" in list(
        estimate_lines(found, "gzip")
    )


def small_files(count: int, plan: EncodePlan = PLAN) -> list[PlacedBlock]:
    """A set's files of a few rows each, as a load cuts them."""
    blocks, chance = [], Random(7)
    for number in range(count):
        rows = b"".join(
            b"%d,%s\n" % (number * 7 + n, chance.randbytes(6).hex().encode())
            for n in range(1 + number % 5)
        )
        own = dataclasses.replace(plan, source_uri=f"s3://b/{number:05}.csv")
        (block,) = cut_blocks([HEADER + rows], START, own)
        blocks.append(PlacedBlock(block, own, PieceStart(number)))
    return blocks


def looked_at(files: Iterable[PlacedBlock], shares_batches: bool) -> Estimator:
    estimator = Estimator(10_000, lambda: 0.0)
    for cut in files:
        rows = cut.block.data
        of_file = sampler(HEADER + rows)
        size = partial(len, rows)
        estimator.look(of_file, cut.plan, size, shares_batches=shares_batches)
    return estimator


def batch_bytes(groups: Iterable[Sequence[PlacedBlock]]) -> int:
    encoded = [encode_joined(group) for group in groups]
    return sum(len(batch.records) + 61 for each in encoded for batch in each.batches)


@pytest.mark.parametrize("count", [1, 10, 64, 150])
def test_small_files_of_a_set_are_counted_as_the_batches_that_they_share(count: int) -> None:
    files = small_files(count)
    whole = sum(len(HEADER) + len(cut.block.data) for cut in files)
    found = looked_at(files, shares_batches=True).estimate(whole)
    assert found.is_exact
    assert found.topic_bytes == batch_bytes(joined(files))
    assert found.row_count == sum(cut.block.row_count for cut in files)
    assert found.most_checkpoint_writes == 4
    apart = looked_at(files, shares_batches=False).estimate(whole)
    assert apart.topic_bytes == batch_bytes((cut,) for cut in files)
    assert apart.row_count == found.row_count


def test_ten_of_many_small_files_tell_how_large_the_batches_of_all_are() -> None:
    # How well a codec takes some hundred bytes is another question.
    files = small_files(300, dataclasses.replace(PLAN, compression="none"))
    whole = sum(len(HEADER) + len(cut.block.data) for cut in files)
    found = looked_at(files[3::31], shares_batches=True).estimate(whole)
    assert not found.is_exact
    assert found.topic_bytes == pytest.approx(batch_bytes(joined(files)), rel=0.1)
    assert batch_bytes((cut,) for cut in files) > 1.2 * batch_bytes(joined(files))


def test_a_row_that_does_not_fit_is_counted_in_its_file_alone() -> None:
    files = small_files(5)
    spoiled = dataclasses.replace(files[2].block, data=b"1,a\n2,b,c\n3,c\n")
    files[2] = dataclasses.replace(files[2], block=spoiled)
    found = looked_at(files, shares_batches=True).estimate(1_000)
    others = sum(cut.block.row_count for cut in files if cut is not files[2])
    assert (found.misfits, found.sampled_rows) == (1, others + 1)
    sampled = sum(len(cut.block.data) for cut in files if cut is not files[2]) + len(b"1,a\n")
    assert found.sampled_bytes == sampled


def test_a_long_transform_ends_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "MOST_SECONDS", 3.5)
    estimator = Estimator(10_000, iter(range(10_000)).__next__)
    estimator.look(sampler(), PLAN, lambda: len(ROWS))
    found = estimator.estimate(len(DATA))
    assert found.places < RANGES
    assert found.row_count == pytest.approx(500_000, rel=0.1)


def test_a_place_in_which_a_row_does_not_fit_is_counted() -> None:
    plan = dataclasses.replace(PLAN, header=("id", "name", "more"))
    estimator = Estimator(10_000, lambda: 0.0)
    estimator.look(sampler(), plan, lambda: None)
    found = estimator.estimate(len(DATA))
    assert (found.misfits, found.sampled_rows, found.row_count) == (RANGES, 0, None)


def test_rows_that_the_table_drops_are_estimated_too() -> None:
    """Each row whose name ends in 3 is dropped: a seventh."""
    drop = '[columns]\nid = "int"\nname = "string"\n[[drop]]\ncolumn = "name"\nequals = "name 3"'
    plan = dataclasses.replace(PLAN, table=read_table(drop, "columns.toml"))
    estimator = Estimator(10_000, lambda: 0.0)
    estimator.look(sampler(), plan, lambda: len(ROWS))
    found = estimator.estimate(len(DATA))
    assert found.row_count == pytest.approx(500_000, rel=0.02), "dropped ones are rows of the file"
    assert found.dropped_count == pytest.approx(500_000 / 7, rel=0.02)
    estimator = Estimator(10_000, lambda: 0.0)
    estimator.look(sampler(), PLAN, lambda: len(ROWS))
    assert estimator.estimate(len(DATA)).dropped_count == 0
