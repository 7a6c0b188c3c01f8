"""The feed: file order, bounded depth, errors in their turn, an end whenever it is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pytest

from csvkafka.errors import MalformedRowError, SourceReadError
from csvkafka.model import START, EncodedBlock, EncodePlan, Position, Routing
from csvkafka.pipeline.block_feed import ThreadedBlockFeed
from csvkafka.rows.pieces import one_object
from tests.unit.encode.encoded import values_of, whole
from tests.unit.rows import csv_oracle

URI = "s3://bucket/key.csv"
DATA = b"k,b\n" + b"".join(b"%d,%d\n" % (n % 7, n) for n in range(1000))
PLAN = EncodePlan(("k", "b"), URI, block_bytes=100)
DEADLINE_SECONDS = 60.0


class Wakes:
    """A `wake` that can be waited for."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(DEADLINE_SECONDS), "no wake came"
        self._event.clear()


def of(data: bytes) -> Callable[[int], Iterable[bytes]]:
    return lambda byte_offset: [data[byte_offset : byte_offset + 50_000]]


def take_all(feed: ThreadedBlockFeed, wakes: Wakes) -> list[EncodedBlock]:
    blocks = []
    while not feed.exhausted:
        block = feed.take()
        if block is not None:
            blocks.append(block)
        elif not feed.exhausted:
            wakes.wait()
    return blocks


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def test_blocks_come_in_file_order_and_then_the_feed_is_exhausted() -> None:
    wakes = Wakes()
    feed = ThreadedBlockFeed(one_object(of(DATA)), START, PLAN, wake=wakes, depth=3)
    blocks = take_all(feed, wakes)
    assert len(blocks) > 10
    assert [v for b in blocks for v in values_of(b)] == csv_oracle.row_values(DATA, URI)
    assert feed.take() is None
    feed.close()


def test_it_goes_on_from_a_position() -> None:
    wakes = Wakes()
    feed = ThreadedBlockFeed(
        one_object(of(DATA)), Position(DATA.index(b"\n3,3\n") + 1, 3), PLAN, wake=wakes
    )
    read = [v for b in take_all(feed, wakes) for v in values_of(b)]
    assert read == csv_oracle.row_values(DATA, URI)[3:]
    feed.close()


def test_rows_in_the_topic_are_left_out_lane_by_lane() -> None:
    plan = EncodePlan(
        ("k", "b"), URI, block_bytes=100, lane_count=3, routing=Routing.KEY_MURMUR2, key_column="k"
    )
    wakes = Wakes()
    whole = take_all(ThreadedBlockFeed(one_object(of(DATA)), START, plan, wake=wakes), wakes)
    skip = (100, 0, 7)
    rest = take_all(
        ThreadedBlockFeed(one_object(of(DATA)), START, plan, wake=wakes, skip=skip), wakes
    )
    assert [b.rows_by_lane for b in rest] == [b.rows_by_lane for b in whole]
    for lane, count in enumerate(skip):
        before = [v for b in whole for v in values_of(b, lane)]
        assert len(before) > 100
        assert [v for b in rest for v in values_of(b, lane)] == before[count:]


def test_an_empty_source_is_exhausted_at_once() -> None:
    wakes = Wakes()
    feed = ThreadedBlockFeed(one_object(lambda _: []), START, EncodePlan((), URI), wake=wakes)
    assert take_all(feed, wakes) == []
    feed.close()


@pytest.mark.fault("F18")
def test_a_failed_read_is_raised_after_the_blocks_before_it() -> None:
    def chunks(_: int) -> Iterator[bytes]:
        yield DATA[:1000]
        raise SourceReadError("S3 is gone")

    wakes = Wakes()
    feed = ThreadedBlockFeed(one_object(chunks), START, PLAN, wake=wakes, depth=2)
    blocks = []
    with pytest.raises(SourceReadError, match="S3 is gone"):
        while True:
            block = feed.take()
            blocks.append(block) if block else wakes.wait()
    assert len(blocks) > 3
    assert not feed.exhausted
    with pytest.raises(SourceReadError, match="S3 is gone"):
        feed.take()
    feed.close()


def test_a_source_that_cannot_be_opened_is_raised() -> None:
    def refuse(_: int) -> Iterable[bytes]:
        raise SourceReadError("S3 refused")

    wakes = Wakes()
    feed = ThreadedBlockFeed(one_object(refuse), START, PLAN, wake=wakes)
    with pytest.raises(SourceReadError, match="S3 refused"):
        take_all(feed, wakes)
    feed.close()


@pytest.mark.parametrize("skip", [(), (900,), (1000,)])
@pytest.mark.fault("F18")
def test_a_bad_row_is_raised_in_its_turn(skip: tuple[int, ...]) -> None:
    data = DATA + b"1,2,3\n" + DATA[4:]
    wakes = Wakes()
    feed = ThreadedBlockFeed(one_object(of(data)), START, PLAN, wake=wakes, skip=skip)
    with pytest.raises(MalformedRowError, match="row 1001 at byte"):
        for block in take_all(feed, wakes):
            reached = block.end.row_count
            whole(block)
    assert reached == 1000
    feed.close()


def test_no_more_is_read_ahead_than_the_depth_says() -> None:
    taken = [0]

    def chunks(_: int) -> Iterator[bytes]:
        yield b"k,b\n"
        while True:
            taken[0] += 1
            yield b"1,23456\n" * 10

    feed = ThreadedBlockFeed(one_object(chunks), START, PLAN, depth=4)
    wait_until(lambda: feed.take())
    wait_until(lambda: taken[0] >= 6)
    # 4 blocks wait, 1 is cut, and a look ahead of one block: a block is a little more than a chunk.
    feed.close()
    assert taken[0] <= 12


def test_close_does_not_wait_for_a_read_that_hangs() -> None:
    hangs, closed = threading.Event(), threading.Event()

    def chunks(_: int) -> Iterator[bytes]:
        try:
            yield DATA[:50]
            hangs.set()
            closed.wait()
        finally:
            closed.set()

    feed = ThreadedBlockFeed(one_object(chunks), START, PLAN, close_seconds=0.05)
    assert hangs.wait(DEADLINE_SECONDS)
    begun = time.monotonic()
    feed.close()
    assert time.monotonic() - begun < 2
    closed.set()


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(1)])
def test_close_ends_the_threads_and_closes_the_source(executor: Executor | None) -> None:
    closed = threading.Event()

    def chunks(_: int) -> Iterator[bytes]:
        try:
            yield b"k,b\n"
            while True:
                yield b"1,2\n" * 100
        finally:
            closed.set()

    if executor is not None:
        executor.submit(int).result()  # its thread is there from now on
    before = threading.active_count()
    feed = ThreadedBlockFeed(one_object(chunks), START, PLAN, executor=executor)
    wait_until(lambda: feed.take())
    feed.close()
    assert closed.wait(DEADLINE_SECONDS)
    wait_until(lambda: threading.active_count() <= before)
    if executor is not None:
        assert executor.submit(int).result() == 0
