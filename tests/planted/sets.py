"""What a bug of sets of files is shown by."""

from __future__ import annotations

import gzip

from csvkafka.model import Step
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.judging.recovery_case import BUCKET
from tests.planted.case import PlantedCase
from tests.planted.scenarios import Found, Ground

ROW_COUNTS = (300, 3_000, 40, 700)

MEMBER_BYTES = 600_000
"""So much a file has stored that it is not fetched ahead."""


def _case(ground: Ground) -> PlantedCase:
    files = {
        f"part-{number}.csv.gz": b"".join(write_csv(CsvSpec(row_count=count, seed=number)))
        for number, count in enumerate(ROW_COUNTS)
    }
    # Its columns stand in another order.
    header, _, rows = files["part-2.csv.gz"].partition(b"\n")
    names = header.split(b",")
    turned = b",".join([names[1], names[0], *names[2:]])
    lines = [line.split(b",", 2) for line in rows.splitlines()]
    swapped = [b",".join((second, first, rest)) for first, second, rest in lines]
    files["part-2.csv.gz"] = b"\n".join([turned, *swapped, b""])
    return ground.case(files)


def killed_inside_a_file(ground: Ground) -> Found:
    case = _case(ground)
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=400)
    if found := case.anomalies(complete=False):
        return found
    return case.finish()


def killed_among_small_files(ground: Ground) -> Found:
    files = {
        f"part-{number:03}.csv": b"".join(write_csv(CsvSpec(row_count=7, seed=number)))
        for number in range(150)
    }
    case = ground.case(files)
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=300)
    if found := case.anomalies(complete=False):
        return found
    return case.finish()


def loaded(ground: Ground) -> Found:
    return _case(ground).finish()


def a_file_came_between_two_runs(ground: Ground) -> Found:
    case = _case(ground)
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=400)
    # It sorts before all others, so each of them has another number now.
    case.put_file(f"{case.prefix}part-.csv.gz", next(iter(case.files.values())))
    return case.finish()


def a_file_is_cut_off(ground: Ground) -> Found:
    case = _case(ground)
    key = f"{case.prefix}part-1.csv.gz"
    stored = case.stack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    case.stack.put_object(BUCKET, key, stored[: len(stored) // 2])
    found = case.finish()
    # A sound loader refuses to go on, so the rows after that place are not there yet.
    return set() if "error SourceCorrupt" in found else found


def restart_point_of_the_file_before(ground: Ground) -> Found:
    case = _of_members(ground)
    case.kill_at(Step.BLOCK_ACKNOWLEDGED, from_rows=6_000)
    before = case.stored_point()
    case.kill_at(Step.BLOCK_ACKNOWLEDGED, from_rows=14_000)
    case.restore_point(before)
    return {"no point"} if before is None else case.finish()


def files_with_restart_points(ground: Ground) -> Found:
    return _of_members(ground).finish()


def _of_members(ground: Ground) -> PlantedCase:
    """In both files a second member stands at the same byte, in the first after fewer rows."""
    rows = [b"%05d,%s\n" % (n, b"text" * 20) for n in range(8_000)]
    files, stored = {}, {}
    for name, end in (("part-0.csv.gz", 3_900), ("part-1.csv.gz", 4_000)):
        first, second = b"id,text\n" + b"".join(rows[:end]), b"".join(rows[end:])
        files[name] = first + second
        stored[name] = gzip.compress(first, 1).ljust(MEMBER_BYTES, b"\0") + gzip.compress(second, 1)
    case = ground.case(files, point_bytes=200_000)
    for name, data in stored.items():
        case.stack.put_object(BUCKET, f"{case.prefix}{name}", data)
    return case
