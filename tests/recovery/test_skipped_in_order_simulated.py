"""`csvkafka skip-file` of a set with ORDER=set beside a simulated worker: at each point of a load,
after each crash before and behind it, and with whatever befalls its own write."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from csvkafka.errors import FileNotSkippedError, MalformedRowError, RepeatedRowsError
from csvkafka.ledger.file_marks import SkippedFiles
from csvkafka.model import EncodedBatch, ProducerIdentity, Step
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.life import JOB_ID, Life
from csvkafka.testing.simulator.partition_log import Append
from csvkafka.testing.simulator.schedule import CRASHES, Fault, Schedule
from csvkafka.testing.simulator.simulation import Hooks
from tests.recovery.set_schedules import IN_ORDER, drawn
from tests.recovery.skipped_sets import BROKEN, BrokenSet, Dies, DiesAt, with_rows
from tests.refusals import refusal

ONE = with_rows(IN_ORDER)
THREE_LANES = replace(ONE, lane_count=3)
ROUTED = replace(ONE, routed=True, lane_count=2)
"""Its rows go to two topics."""

BASES = pytest.mark.parametrize(
    "base", [ONE, THREE_LANES, ROUTED], ids=["one lane", "three lanes", "two topics"]
)


class BrokenInOrder(BrokenSet):
    """`run` lets one life follow another until one stops at the broken file, or has completed the
    set."""

    def run(self, most_lives: int = 8) -> Life:
        for _turn in range(most_lives):
            life = self.world.begin_life()
            self.world.time.join()
            if life.result or isinstance(life.error, MalformedRowError):
                return life
        raise AssertionError(f"no end after {most_lives} lives: {self.world.trace[-30:]}")

    def complete(self) -> None:
        """Skips the file where the load stops at it, if that has not been done, and goes on."""
        for _ in range(8):
            life = self.run()
            if life.result is not None:
                break
            self.try_to_skip()
        self.world.release_withheld()
        self.world.time.run_out()
        assert life.result is not None, repr(life.error)
        assert life.result.files_skipped == 1

    def assert_exact(self) -> None:
        """Each lane has the rows of the files in order, each once, of the skipped one as many as
        the set's item says; and the numbers of the rows are without a gap."""
        item = self.world.table.items[JOB_ID]
        left = self.good_rows
        assert SkippedFiles.of(item) == SkippedFiles(1, 5, (BROKEN,), left)
        due = {}
        for key, data in self.world.files.items():
            count = data.count(b"\n") - 1
            due[f"s3://bucket/{key}"] = left if key == BROKEN else count
        seen: list[tuple[str, int]] = []
        for number, lane in enumerate(self.world.lanes):
            records = [
                record
                for record in self.world.kafka.log(lane).records()
                if record.value is not None and not record.value.startswith(b"another")
            ]
            values = [json.loads(record.value or b"") for record in records]
            places = [(each["_source_file"], each["_source_line"]) for each in values]
            assert places == sorted(places), f"lane {number}"
            seen += places
        assert sorted(seen) == [
            (file, line) for file, count in due.items() for line in range(1, count + 1)
        ]
        total = sum(due.values())
        assert (item["status"], item["last_line"], item["total_sent"]) == (
            "COMPLETED",
            total,
            total,
        )
        lanes = item["partitions"]
        assert isinstance(lanes, dict)
        assert sum(lane[0] for lane in lanes.values()) == total
        assert "lease_owner" not in item


@BASES
@pytest.mark.parametrize("good_rows", [3, None])
def test_the_load_goes_on_behind_the_file_at_which_it_stopped(
    base: Schedule, good_rows: int | None
) -> None:
    load = BrokenInOrder(base, good_rows=good_rows)
    life = load.run()
    assert str(life.error).endswith(f"or go on without the file: csvkafka skip-file {BROKEN}")
    skipped = load.skip()
    assert (skipped.left.rows, skipped.before) == (load.good_rows, False)
    assert load.skip().before
    load.complete()
    load.assert_exact()
    with refusal(FileNotSkippedError, r"part-04\.csv is loaded already, and what is in the topic"):
        load.files().skip("exports/part-04.csv")


def test_other_files_than_the_one_at_which_the_load_stopped_are_refused() -> None:
    load = BrokenInOrder(ONE)
    load.run()
    for key, said in (
        ("exports/part-02.csv", "is loaded already"),
        ("exports/part-04.csv", r"the load has not stopped at s3://bucket/exports/part-04\.csv"),
    ):
        with refusal(FileNotSkippedError, said):
            load.files().skip(key)


def test_the_last_file() -> None:
    load = BrokenInOrder(ONE)
    last = "exports/part-04.csv"
    assert list(load.world.files)[-1] == last
    load.world.files[BROKEN], load.world.files[last] = (
        load.world.files[last],
        load.world.files[BROKEN],
    )
    load.run()
    load.files().skip(last)
    life = load.world.begin_life()
    load.world.time.join()
    assert life.result is not None, repr(life.error)
    item = load.world.table.items[JOB_ID]
    assert SkippedFiles.of(item) == SkippedFiles(1, 5, (last,), load.good_rows)
    assert item["status"] == "COMPLETED"


@BASES
def test_at_each_point_of_a_load_it_is_refused_or_exact(base: Schedule) -> None:
    """Whoever asks at a bad moment is refused; what was asked later goes well."""
    load = BrokenInOrder(base)
    load.run()
    refused = done = 0
    for place in [place for place in load.world.trace if place.startswith("1/")]:

        def ask(_: object) -> None:
            load.try_to_skip()  # noqa: B023 - in this turn

        load = BrokenInOrder(base, {place: ask})
        load.run()
        refused, done = refused + (load.skipped is None), done + (load.skipped is not None)
        load.complete()
        load.assert_exact()
    assert refused
    assert done <= 1, "the fault is noted at the very end of a load"


@BASES
@pytest.mark.parametrize("how", CRASHES)
def test_after_each_crash_before_the_file_is_skipped(base: Schedule, how: str, seed: int) -> None:
    load = BrokenInOrder(base)
    load.run()
    for place in [place for place in load.world.trace if place.startswith("1/")][seed % 7 :: 7]:
        point, nth = place[2:].split("#")

        def ask(_: object) -> None:
            load.try_to_skip()  # noqa: B023 - in this turn

        crashed = replace(base, faults=(Fault(1, point, int(nth), how),))
        load = BrokenInOrder(crashed, {"2/run-begins#1": ask})
        load.complete()
        load.assert_exact()


@BASES
@pytest.mark.parametrize("how", CRASHES)
def test_after_each_crash_behind_the_file_that_is_skipped(
    base: Schedule, how: str, seed: int
) -> None:
    load = BrokenInOrder(base)
    load.complete()
    places = [place for place in load.world.trace if place.startswith("2/")]
    for place in places[seed % 5 :: 5]:
        point, nth = place[2:].split("#")
        load = BrokenInOrder(replace(base, faults=(Fault(2, point, int(nth), how),)))
        load.complete()
        load.assert_exact()


def test_killed_after_its_one_write() -> None:
    load = BrokenInOrder(ONE)
    load.run()
    with pytest.raises(Dies):
        load.files(DiesAt(Step.FILE_SKIPPED)).skip(BROKEN)
    skipped = load.skip()
    assert (skipped.left.rows, skipped.before) == (load.good_rows, True)
    load.complete()
    load.assert_exact()


def late_batch(load: BrokenInOrder, lane: int = 0) -> Append:
    """Of a killed worker that had come further in the broken file than the last one, as a reader of
    damaged compression may: its next two rows in the lane come only now."""
    log = load.world.kafka.log(load.world.lanes[lane])
    of_job = [header for header in log.headers() if header.producer_id >= 0]
    first = of_job[-1].base_sequence + of_job[-1].record_count if of_job else 0
    producer_id = int(str(load.world.table.items[JOB_ID]["producer_id"]))
    sent = EncodedBatch(0, 2, 0, frame_records([b"of the broken file"] * 2))
    return log.append(seal(sent, ProducerIdentity(producer_id, 0), first, 0))


@pytest.mark.parametrize("at", ["2/run-begins#1", "2/tail-scanned#1", "2/source-opened#1"])
@pytest.mark.parametrize("base", [ONE, THREE_LANES], ids=["one lane", "three lanes"])
def test_a_late_batch_of_the_skipped_file_is_not_taken_for_rows_of_the_next(
    base: Schedule, at: str
) -> None:
    load = BrokenInOrder(base, {at: lambda _: late_batch(load)})
    load.run()
    load.skip()
    life = load.world.begin_life()
    load.world.time.join()
    with refusal(RepeatedRowsError, "sent late under epoch 0 of this job's producer id"):
        raise life.error or AssertionError(life.result)


def with_a_fresh_key(hooks: Hooks | None = None) -> BrokenInOrder:
    """The last row of the file behind the broken one is alone in its lane."""
    load = BrokenInOrder(replace(ONE, lane_count=40), hooks)
    load.world.files["exports/part-04.csv"] += b"99,fresh,x\n"
    return load


def test_a_late_batch_in_a_lane_that_had_no_row_is_named() -> None:
    def come_late(_: object) -> None:
        assert not load.world.kafka.log(load.world.lanes[lane]).headers()
        late_batch(load, lane)

    load = with_a_fresh_key()
    load.complete()
    logs = [list(load.world.kafka.log(each).records()) for each in load.world.lanes]
    (lane,) = [n for n, log in enumerate(logs) if [each.key for each in log] == [b"fresh"]]
    load = with_a_fresh_key({"2/source-opened#1": come_late})
    load.run()
    load.skip()
    life = load.world.begin_life()
    load.world.time.join()
    with refusal(RepeatedRowsError, "sent late under epoch 0 of this job's producer id"):
        raise life.error or AssertionError(life.result)


def test_after_the_first_row_of_the_next_file_a_late_batch_is_refused() -> None:
    answers: list[Append] = []
    load = BrokenInOrder(
        ONE, {"2/batch-acknowledged#1": lambda _: answers.append(late_batch(load))}
    )
    load.run()
    load.skip()
    load.complete()
    load.assert_exact()
    assert [answer.appended for answer in answers] == [False]


FORGETFUL = ("expire", "forget", "restart")
"""Not drawn here: what a broker that has forgotten the job does to it, other searches look at."""


def test_random_schedules(seed: int) -> None:
    """With batches of killed workers that come late among them."""
    for each in drawn(IN_ORDER, seed):
        faults = tuple(fault for fault in each.faults if fault.action not in FORGETFUL)
        schedule = replace(each, faults=faults, file_count=5, broker=IN_ORDER.broker, expiry=0)
        load = BrokenInOrder(with_rows(schedule))
        load.complete()
        load.assert_exact()
