"""What a bug of sets whose files are jobs of their own is shown by."""

from __future__ import annotations

from signal import SIGSTOP
from typing import Any

from kafka.admin import NewPartitions

from csvkafka.ledger.file_marks import FileMarks, Marks
from csvkafka.ledger.item import decode
from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.judging.job_view import table_item
from csvkafka.testing.judging.recovery_case import TABLE
from csvkafka.testing.processes.supervisor import Incarnation
from tests.planted.case import PlantedCase
from tests.planted.scenarios import Found, Ground

ROW_COUNTS = (900, 300, 300, 300)


def _case(ground: Ground, *row_counts: int, **options: Any) -> PlantedCase:
    files = {
        f"part-{number}.csv": b"".join(write_csv(CsvSpec(row_count=count, seed=number)))
        for number, count in enumerate(row_counts or ROW_COUNTS)
    }
    return _of_files(ground, files, **options)


def _of_files(ground: Ground, files: dict[str, bytes], **options: Any) -> PlantedCase:
    settings = {"ORDER": "object", "LEASE_SECONDS": "1", **options.pop("settings", {})}
    return ground.case(files, settings=settings, **options)


def _end(case: PlantedCase, worker: Incarnation) -> Found:
    """As `end_of`; and whether the set's item counts the rows that there are."""
    found = case.end_of(worker, 20.0)
    item = case.item() or {}
    if item.get("status") == "COMPLETED" and item["last_line"] != case.row_count:
        found.add("wrong count")
    return found


def _marks(case: PlantedCase) -> Marks:
    item = case.item()
    assert item is not None
    digest = decode(item).source.etag
    opened = FileMarks(
        case.job_id, digest, len(case.files), lambda key: table_item(case.stack, TABLE, key)
    )
    return opened.read(0)


# -- whose a file is -------------------------------------------------------------------------------


def zombie_wakes_before_its_producer_id_is_stored(ground: Ground) -> Found:
    """Meanwhile another worker has taken its file, sent rows of it, and is dead."""
    case = _case(ground)
    zombie = case.start_paused_at(Step.IDENTITY_OBTAINED)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, nth=2)
    case.assert_midway()
    zombie.resume()
    return _end(case, zombie)


def another_worker_is_in_its_file(ground: Ground) -> Found:
    """It stands still there; the other one ends."""
    case = _case(ground)
    case.start_paused_at(Step.BATCH_ACKNOWLEDGED, nth=2)
    return _end(case, case.start(pace_seconds=0.0))


def killed_inside_a_file(ground: Ground) -> Found:
    case = _case(ground)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, nth=2)
    case.assert_midway()
    return _end(case, case.start(pace_seconds=0.0))


def partitions_added_between_two_files(ground: Ground) -> Found:
    case = _case(ground, partitions=2, settings={"KEY_COLUMN": "key"})
    case.kill_at(Step.FILE_MARKED)
    admin = ground.stack.admin_client()
    admin.create_partitions({case.topic: NewPartitions(4)})
    admin.close()
    return _end(case, case.start(pace_seconds=0.0))


# -- what the marks say ----------------------------------------------------------------------------


def a_file_has_other_columns(ground: Ground) -> Found:
    good = b"".join(write_csv(CsvSpec(row_count=300)))
    files = {"part-0.csv": good, "part-1.csv": b"id,else\n1,2\n", "part-2.csv": good}
    case = _of_files(ground, files)
    found = case.finish()
    # A sound loader says so when it has loaded all others.
    if found == {"error FilesFailed"}:
        return case.anomalies(complete=False)
    return found or {"not refused"}


def killed_before_the_last_file_is_marked(ground: Ground) -> Found:
    case = _case(ground)
    case.kill_at(Step.FILE_COMPLETED, nth=len(ROW_COUNTS))
    return _end(case, case.start(pace_seconds=0.0))


def marked_by_another_first(ground: Ground) -> Found:
    """A worker is about to mark its file, when another one marks it, and two more."""
    case = _case(ground)
    points = [CrashPoint(step, signal=SIGSTOP) for step in (Step.FILE_COMPLETED, Step.FILE_MARKED)]
    late = case.start(*points)
    late.wait_for_step(Step.FILE_COMPLETED)
    case.kill_at(Step.FILE_MARKED, nth=3)
    before = _marks(case)
    late.resume()
    late.wait_for_step(Step.FILE_MARKED)
    taken_back = before.done & ~_marks(case).done
    late.resume()
    return _end(case, late) | ({"mark taken back"} if taken_back else set())


def two_have_loaded_all(ground: Ground) -> Found:
    """Both are about to say that the set is complete."""
    case = _case(ground, 300, 300)
    workers = [case.start_paused_at(Step.FILES_COMPLETED) for _ in range(2)]
    found = set()
    for worker in workers:
        worker.resume()
        found |= _end(case, worker)
    said = sum(bool(worker.steps(Step.COMPLETED)) for worker in workers)
    return found if said == 1 else found | {f"said by {said}"}
