"""Sets of files: kills at the freeze, between files, behind a restart point and at the end; objects
that come, go or change between two runs; headers that differ."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import Any

import pytest

from csvkafka.limits import BLOCK_BYTES
from csvkafka.model import Step
from csvkafka.pipeline.pieces_ahead import PIECE_BYTES
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.judging.recovery_case import BUCKET, KILLED, RecoveryCase
from tests.integration.flights import flights_csv
from tests.recovery.conftest import kills_of_a_set

NewCase = Callable[..., RecoveryCase]

PACE_SECONDS = 0.06

SHAPE: dict[str, Any] = {
    "quoted_fraction": 0.05,
    "newline_fraction": 0.02,
    "unicode_fraction": 0.05,
    "hostile_fraction": 0.02,
}


ENDS = (".csv", ".csv.gz", ".csv.gz", ".csv", ".csv.zst", ".csv.bz2")


def files(*row_counts: int) -> dict[str, bytes]:
    """Files of so many rows each, stored in each way that is read."""
    made = {}
    for number, count in enumerate(row_counts):
        name = f"part-{number:04}{ENDS[number % len(ENDS)]}"
        made[name] = b"".join(write_csv(CsvSpec(row_count=count, seed=number, **SHAPE)))
    return made


SIZES = (700, 3, 1, 900, 250, 0, 1_200, 40, 40, 40, 40, 600)


def set_case(recovery_case: NewCase, *row_counts: int, **options: object) -> RecoveryCase:
    return recovery_case(files(*(row_counts or SIZES)), **options)


@pytest.fixture
def kills(kills: int) -> int:
    return kills_of_a_set(kills)


def test_a_set_is_loaded_in_order_without_a_kill(recovery_case: NewCase) -> None:
    case = set_case(recovery_case, block_bytes=65_536)
    worker = case.run()
    case.assert_once()
    assert f"file {len(SIZES)} of {len(SIZES)}" in worker.output()
    again = case.run()
    assert "complete already" in again.output()


@pytest.mark.parametrize("step", [Step.RUN_BEGINS, Step.LIST_CHUNK_STORED, Step.ITEM_CREATED])
def test_f116_killed_while_the_list_is_frozen(recovery_case: NewCase, step: Step) -> None:
    case = set_case(recovery_case)
    case.kill_at(step)
    assert case.view.record_count() == 0
    case.run()
    case.assert_once()


@pytest.mark.parametrize("nth", [1, 2, 3, 5])
def test_f117_killed_between_two_files(recovery_case: NewCase, nth: int) -> None:
    case = set_case(recovery_case)
    worker = case.kill_at(Step.FILE_ACKNOWLEDGED, nth=nth)
    assert worker.steps(Step.FILE_ACKNOWLEDGED)
    case.assert_midway()
    case.run()
    case.assert_once()


@pytest.mark.parametrize(
    "step", [Step.BLOCK_TAKEN, Step.BATCH_SENT, Step.BATCH_ACKNOWLEDGED, Step.CHECKPOINT_STORED]
)
@pytest.mark.parametrize("from_rows", [1, 720, 1_500, 2_900])
def test_f117_killed_inside_a_file(recovery_case: NewCase, step: Step, from_rows: int) -> None:
    case = set_case(recovery_case)
    case.kill_at(step, from_rows=from_rows)
    case.run()
    case.assert_once()


@pytest.mark.parametrize("partitions", [1, 3])
def test_f117_killed_among_small_files_that_share_their_batches(
    recovery_case: NewCase, partitions: int
) -> None:
    """By runs of which one makes a batch of 64 files, the other of some 20: so a batch that the
    topic holds ends among the files of one that the next run makes."""
    small = [CsvSpec(row_count=8 + n % 5, seed=n, field_characters=80) for n in range(200)]
    case = recovery_case(
        {f"part-{n:04}.csv": b"".join(write_csv(spec)) for n, spec in enumerate(small)},
        partitions=partitions,
        settings={"KEY_COLUMN": "id"} if partitions > 1 else {"KAFKA_PARTITION": "0"},
        block_bytes=BLOCK_BYTES,
        pace_seconds=0.3,
    )
    settings = dict(case.settings)
    steps = (Step.BATCH_ACKNOWLEDGED, Step.BATCH_ACKNOWLEDGED, Step.BATCH_SENT)
    for step, encoder in zip(steps, ("compiled", "python", "compiled"), strict=True):
        case.settings = {**settings, "CSVKAFKA_ENCODER": encoder}
        case.kill_at(step)
        case.assert_midway()
    case.settings = {**settings, "CSVKAFKA_ENCODER": "python"}
    worker = case.run()
    assert len(worker.steps(Step.BLOCK_TAKEN)) < len(case.files) // 10
    case.assert_once()


def pieces_with_points(recovery_case: NewCase) -> RecoveryCase:
    """A set of which two gzip files have restart points."""
    settings = {"LOG_LEVEL": "INFO", "CHECKPOINT_INTERVAL": "500"}
    return set_case(
        recovery_case,
        *(900, 20_000, 20_000, 40),
        settings=settings,
        point_bytes=300_000,
        block_bytes=32_768,
        pace_seconds=0.1,
    )


def kill_with_a_point(case: RecoveryCase, from_rows: int, key: str) -> str:
    """Killed once a point of that file is stored. Nothing waits for a point's write: a kill may
    come before it, and then another follows. Returns what the workers said."""
    said = ""
    while key not in str(case.stored_point()):
        worker = case.start(CrashPoint(Step.BLOCK_ACKNOWLEDGED, from_rows=from_rows))
        case.ends(worker, KILLED)
        case.assert_midway()
        said += worker.output()
        from_rows += 1_500
    return said


def test_f117_killed_in_gzip_files_each_resume_begins_at_a_point_of_that_file(
    recovery_case: NewCase,
) -> None:
    case = pieces_with_points(recovery_case)
    _, second, third, _ = case.files
    kill_with_a_point(case, 12_000, second)
    said = kill_with_a_point(case, 28_000, third)
    assert f"Reading s3://{BUCKET}/{second} from byte" in said
    worker = case.run()
    assert f"Reading s3://{BUCKET}/{third} from byte" in worker.output()
    case.assert_once()


def test_f117_gzip_files_under_random_kills(recovery_case: NewCase, kills: int, seed: int) -> None:
    case, chance = pieces_with_points(recovery_case), random.Random(seed)
    for _ in range(min(kills, 8)):
        worker = case.start(settings={"CSVKAFKA_ENCODER": "python"}, pace_seconds=0.3)
        worker.wait_for_step(Step.CHECKPOINT_STORED)
        worker.lives_for(chance.uniform(0.0, 0.6))
        assert worker.kill() == KILLED, f"the load ended before its kill:\n{worker.output()}"
    case.assert_midway()
    case.run()
    case.assert_once()


def test_f117_a_point_of_the_file_before_is_not_used(recovery_case: NewCase) -> None:
    case = pieces_with_points(recovery_case)
    second, third = list(case.files)[1:3]
    kill_with_a_point(case, 12_000, second)
    point = case.stored_point()
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=32_000)
    case.restore_point(point)
    worker = case.run()
    refused = f"No restart point of s3://{BUCKET}/{third} can be used: it is of"
    assert f"{refused} s3://{BUCKET}/{second}, ETag" in worker.output()
    assert point is not None
    assert f"at byte {point['content_bytes']['N']} of its content" not in worker.output()
    case.assert_once()


@pytest.mark.parametrize("step", [Step.ALL_ACKNOWLEDGED, Step.CHECKPOINT_BEGINS, Step.COMPLETED])
def test_f117_killed_at_the_end_of_a_set(recovery_case: NewCase, step: Step) -> None:
    case = set_case(recovery_case)
    case.kill_at(step, from_rows=case.row_count)
    case.run()
    case.assert_once()


@pytest.mark.parametrize("key", [None, "id"])
def test_f117_a_set_under_random_kills(
    recovery_case: NewCase, kills: int, seed: int, key: str | None
) -> None:
    chance = random.Random(seed)
    # At the pace, twice as long as all lives together may last.
    sizes = [chance.choice((0, 1, 5, 40, 200, 700, 1_500)) for _ in range(6 * kills)]
    settings = {} if key is None else {"KEY_COLUMN": key}
    case = set_case(recovery_case, *sizes, partitions=1 if key is None else 3, settings=settings)
    for number in range(kills):
        worker = case.start(pace_seconds=PACE_SECONDS)
        if number % 2:
            worker.wait_for_step(Step.BATCH_ACKNOWLEDGED)
        worker.lives_for(chance.uniform(0.0, 0.6) if number % 2 else chance.uniform(0.2, 1.5))
        assert worker.kill() == KILLED, f"the load ended before its kill:\n{worker.output()}"
    case.assert_midway()
    case.run()
    case.assert_once()


def days_for(kills: int) -> int:
    """Of an export: two a kill where there are few, else four, up to a year."""
    return 2 * kills if kills <= 20 else min(365, 4 * kills)


@cache
def nightly_export(days: int) -> dict[str, bytes]:
    """flights.csv cut by day, so many of its days, and after each tenth a file of rows with quoted
    newlines and Unicode."""
    made: dict[str, bytes] = {}
    with flights_csv().open(newline="") as file:
        header, *rows = csv.reader(file)
    columns = {name: place for place, name in enumerate(header)}
    for day, of_day in groupby(rows, key=lambda row: row[:3]):
        if len(made) >= days + days // 10:
            break
        name = "-".join(part.zfill(2) for part in day)
        whole = list(of_day)
        made[f"{name}.csv.gz"] = csv_of(header, whole)
        if len(made) % 11 == 10:
            odd = [row.copy() for row in whole[:40]]
            for number, row in enumerate(odd):
                row[columns["dest"]] = ('Zürich, "Kloten"', "東京\n羽田", "a\r\nb", "")[number % 4]
            made[f"{name}b.csv.gz"] = csv_of(header, odd)
    return made


def csv_of(header: list[str], rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("checkpoint", ["dynamodb", "sqlite"])
@pytest.mark.parametrize("order", ["set", "object"])
def test_f117_a_nightly_export_under_random_kills(
    recovery_case: NewCase, kills: int, seed: int, order: str, checkpoint: str
) -> None:
    """Of 400 files, where there are 92 kills or more."""
    chance = random.Random(seed)
    made = nightly_export(days_for(kills))
    case = recovery_case(made, settings={"ORDER": order}, checkpoint=checkpoint)
    for number in range(kills):
        due = case.row_count * number // (kills + 1)
        worker = case.start(pace_seconds=PACE_SECONDS)
        worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=due)
        worker.lives_for(chance.uniform(0.0, 0.1))
        assert worker.kill() == KILLED, f"the load ended before its kill:\n{worker.output()}"
    case.assert_midway()
    case.run()
    case.assert_once()


def test_f118_an_object_that_came_between_two_runs_is_named_and_left_alone(
    recovery_case: NewCase,
) -> None:
    case = set_case(recovery_case)
    case.kill_at(Step.FILE_ACKNOWLEDGED, nth=3)
    case.put_file(f"{case.prefix}aaa.csv", b"other,columns\n1,2\n")
    case.put_file(f"{case.prefix}part-0002b.csv", b"other,columns\n1,2\n")
    worker = case.run()
    assert "2 objects of" in worker.output()
    assert f"{case.prefix}aaa.csv, {case.prefix}part-0002b.csv" in worker.output()
    case.assert_once()
    again = case.run()
    assert "complete already" in again.output()
    assert "2 objects of" in again.output()


@pytest.mark.parametrize("number", [0, 3, 11])
def test_f118_an_object_that_changed_between_two_runs_is_refused_by_key(
    recovery_case: NewCase, number: int
) -> None:
    case = set_case(recovery_case)
    case.kill_at(Step.FILE_ACKNOWLEDGED, nth=3)
    key, data = list(case.files.items())[number]
    case.put_file(key, data + b"more\n")
    worker = case.refused("SourceChanged")
    assert f"1 object changed: {key}" in worker.output()
    case.put_file(key, data)
    case.run()
    case.assert_once()


def test_f118_an_object_that_is_missing_is_refused_by_key(recovery_case: NewCase) -> None:
    case = set_case(recovery_case)
    case.kill_at(Step.FILE_ACKNOWLEDGED, nth=3)
    key, data = list(case.files.items())[6]
    case.stack.client("s3").delete_object(Bucket=BUCKET, Key=key)
    worker = case.refused("SourceChanged")
    assert f"1 object missing: {key}" in worker.output()
    case.put_file(key, data)
    case.run()
    case.assert_once()


def test_f118_an_object_that_changes_while_a_set_is_loaded_stops_it_before_its_rows(
    recovery_case: NewCase,
) -> None:
    case = set_case(recovery_case, 2_000, 40, 2_000, 12_000)
    key, data = list(case.files.items())[3]
    assert len(data) > PIECE_BYTES, "a smaller one is fetched ahead"
    worker = case.start_paused_at(Step.SOURCE_OPENED)
    case.put_file(key, data + b"more\n")
    worker.resume()
    case.ends(worker, 1)
    case.assert_stopped(worker, "SourceChanged")
    assert key in worker.output()
    assert case.view.record_count() == 4_040
    case.put_file(key, data)
    case.run()
    case.assert_once()


def test_f119_a_file_with_other_columns_stops_the_load_after_all_files_before_it(
    recovery_case: NewCase,
) -> None:
    made = files(300, 300, 300)
    made["part-0001.csv.gz"] = b"id,else\n1,2\n"
    case = recovery_case(made)
    worker = case.run(exit_code=1)
    case.assert_error(worker, "MalformedRow")
    assert f"the header of s3://{BUCKET}/{case.prefix}part-0001.csv.gz has other columns" in (
        worker.output()
    )
    item = case.item()
    assert item is not None
    assert (item["last_line"], item["status"]) == (300, "IN_PROGRESS")
    assert case.view.record_count() == 300


def test_f119_a_truncated_gzip_file_stops_the_load_with_its_name_and_all_rows_before_it(
    recovery_case: NewCase,
) -> None:
    case = set_case(recovery_case, 300, 300, 3_000, 300)
    key = f"{case.prefix}part-0002.csv.gz"
    stored = case.stack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    case.stack.put_object(BUCKET, key, stored[: len(stored) // 2])
    worker = case.run(exit_code=1)
    case.assert_stopped(worker, "SourceCorrupt")
    assert key in worker.output()
    item = case.item()
    assert item is not None
    assert 600 < item["last_line"] < 3_600


def test_two_sets_in_one_topic_are_told_apart(recovery_case: NewCase) -> None:
    first = set_case(recovery_case, exclusive=False)
    second = set_case(recovery_case, 500, 20, 800, exclusive=False, topic=first.topic)
    first.kill_at(Step.FILE_ACKNOWLEDGED, nth=2)
    second.kill_at(Step.FILE_ACKNOWLEDGED, nth=1)
    first.run()
    second.run()
    first.assert_once()
    second.assert_once()
