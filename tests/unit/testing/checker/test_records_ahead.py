"""Records ahead: compared where they stand, taken one by one or many at a time, and given back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.compiled import compiled_module
from csvkafka.testing.checker.batch_records import PlainBatch
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.records_ahead import RecordsAhead, Taken
from tests.unit.testing.checker.agreement_case import framed, varint

compiled = compiled_module()
if compiled is None:
    pytest.skip("nothing is compiled, or it is not to be used", allow_module_level=True)


def plain(first: int, count: int) -> PlainBatch:
    """Records of 11 bytes, the values of which are their Kafka offsets in four digits."""
    assert compiled is not None
    section = framed([(None, b"%04d" % number) for number in range(first, first + count)])
    batch = PlainBatch.of(compiled, section, count, first)
    assert batch is not None
    return batch


def same_value(section: bytes, place: int, rows: list[list[str]], lines: list[int]) -> int:
    """Compares the values with the rows' first fields."""
    for number, (row, _) in enumerate(zip(rows, lines, strict=True)):
        begin = place + 11 * number
        if section[begin + 6 : begin + 10] != row[0].encode():
            return number
    return len(rows)


def agreeing(ahead: RecordsAhead, numbers: Sequence[int]) -> int:
    return ahead.count_agreeing(same_value, [[f"{n:04}"] for n in numbers], [*numbers])


def test_runs_go_over_the_ends_of_batches() -> None:
    ahead = RecordsAhead([plain(0, 3), plain(3, 1), [], plain(4, 5)])
    assert agreeing(ahead, range(7)) == 7
    assert ahead.take(2) == Taken([0, 1], 22)
    assert agreeing(ahead, range(2, 20)) == 7
    assert ahead.take(6) == Taken([2, 3, 4, 5, 6, 7], 66)
    assert [record.kafka_offset for record in ahead] == [8]


def test_a_run_ends_at_the_first_record_that_disagrees() -> None:
    ahead = RecordsAhead([plain(0, 3), plain(3, 3)])
    assert agreeing(ahead, [0, 1, 2, 3, 9, 5]) == 4
    assert agreeing(ahead, [0, 9]) == 1
    assert agreeing(ahead, [9]) == 0


def test_records_with_headers_and_those_without_a_batch_agree_with_nothing() -> None:
    odd = TopicRecord(2, None, b"0002", (("name", b"value"),))
    ahead = RecordsAhead([plain(0, 2), [odd], plain(3, 2)])
    assert agreeing(ahead, range(5)) == 2
    ahead.take(2)
    assert agreeing(ahead, [2]) == agreeing(ahead, [3]) == 0
    assert next(ahead) is odd
    assert agreeing(ahead, [3, 4]) == 2
    assert agreeing(RecordsAhead.of([odd]), [2]) == 0


def test_the_last_record_of_a_batch_may_be_given_back() -> None:
    ahead = RecordsAhead([plain(0, 1), plain(1, 1)])
    assert next(ahead).value == b"0000"
    ahead.give_back()
    assert agreeing(ahead, [0, 1]) == 2
    assert next(ahead).value == b"0000"


def test_a_long_batch_becomes_objects_a_part_at_a_time() -> None:
    ahead = RecordsAhead([plain(0, 1_000)])
    assert [record.value for record in ahead] == [b"%04d" % number for number in range(1_000)]


@given(
    st.lists(st.integers(0, 5), max_size=8),
    st.lists(st.sampled_from(["run", "one", "back"]), max_size=20),
    st.data(),
)
def test_whatever_is_taken_how_all_come_once_and_in_order(
    sizes: list[int], steps: list[str], data: st.DataObject
) -> None:
    batches: list[Sequence[TopicRecord]] = []
    total = 0
    for size in sizes:
        batch = plain(total, size)
        batches.append(batch if data.draw(st.booleans()) else [*batch])
        total += size
    ahead, due, taken_alone = RecordsAhead(batches), 0, False
    for step in steps:
        if step == "run":
            count = agreeing(ahead, range(due, due + data.draw(st.integers(1, 12))))
            count = data.draw(st.integers(0, count))
            assert ahead.take(count).kafka_offsets == [*range(due, due + count)]
            due += count
            taken_alone = False
        elif step == "one":
            record = next(ahead, None)
            assert (total if record is None else record.kafka_offset) == due
            due += record is not None
            taken_alone = record is not None
        elif taken_alone:
            ahead.give_back()
            due -= 1
            taken_alone = False
    assert [record.kafka_offset for record in ahead] == [*range(due, total)]


def test_kafka_offsets_that_are_left_out_are_left_out() -> None:
    assert compiled is not None
    section = b"".join(
        varint(len(body)) + body
        for body in (b"\0\0" + varint(delta) + b"\1\2a\0" for delta in (0, 3, 200))
    )
    batch = PlainBatch.of(compiled, section, 3, 1 << 40)
    assert batch is not None
    offsets = [1 << 40, (1 << 40) + 3, (1 << 40) + 200]
    assert [*batch.kafka_offsets] == [record.kafka_offset for record in batch] == offsets


def test_a_batch_is_a_sequence_of_its_records() -> None:
    batch = plain(10, 5)
    offsets = [10, 11, 12, 13, 14]
    assert [record.kafka_offset for record in batch] == offsets
    assert [batch[place].kafka_offset for place in range(-5, 5)] == offsets * 2
    assert [record.kafka_offset for record in batch[1:4]] == offsets[1:4]
    assert [record.kafka_offset for record in batch[-2:]] == offsets[-2:]
    assert [record.kafka_offset for record in batch[::2]] == offsets[::2]
    assert [record.kafka_offset for record in batch[3:0:-2]] == offsets[3:0:-2]
    assert batch[3:1] == batch[9:] == []
    with pytest.raises(IndexError):
        batch[5]
