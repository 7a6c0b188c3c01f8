"""Judges a simulated run: the log, the item's history, and how each life ended.

The log is compared with the source by the checker, which knows nothing of the loader.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import cast

from csvkafka.errors import (
    CheckpointError,
    DeliveryError,
    EpochOrderError,
    FilesFailedError,
    ItemLostError,
    RepeatedRowsError,
    SinkRefusedError,
    SinkUnavailableError,
    SourceReadError,
    StoppedError,
    TailGapError,
)
from csvkafka.interfaces import AttributeValue, Item
from csvkafka.ledger.file_marks import FileMarks, Loaded, Totals, child_id
from csvkafka.model import BatchHeader, FileOrder, JobStatus
from csvkafka.sets.frozen import MARK as CHUNK_MARK
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import (
    Decoder,
    TopicRecord,
    documented_record,
    read_rows,
)
from csvkafka.testing.checker.expectation import Expectation, number_of
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.set_files import SetFiles
from csvkafka.testing.checker.verdict import AnomalyKind, Verdict
from csvkafka.testing.simulator.fake_table import FakeStore, FakeTable
from csvkafka.testing.simulator.large_rows import URI, judge_letters, letter_decoder, size_limit
from csvkafka.testing.simulator.life import JOB_ID, Life
from csvkafka.testing.simulator.partition_log import PartitionLog
from csvkafka.testing.simulator.schedule import Schedule
from csvkafka.testing.simulator.simulation import Simulation, file_bytes
from csvkafka.testing.simulator.virtual_clock import Stalled

MAY_END = (
    CheckpointError,
    DeliveryError,
    FilesFailedError,
    ItemLostError,
    SinkRefusedError,
    SinkUnavailableError,
    SourceReadError,
    StoppedError,
)
"""How a life may end that something befell. None of these says that rows are lost."""

TABLE_POINTS = ("table-read", "table-write", "table-applied")


def violations(schedule: Schedule) -> list[str]:
    """Runs the schedule; what is wrong then, in sentences. Empty: nothing."""
    simulation = Simulation(schedule)
    try:
        simulation.run()
    except Stalled as stalled:
        return [f"the run hangs: {stalled}"]
    return judge(simulation)


def judge(simulation: Simulation) -> list[str]:
    """What is wrong after a run."""
    files = _files(simulation)
    late_by_lane = [
        list(late_rows(simulation.kafka.log(lane), _decoder(files))) for lane in simulation.lanes
    ]
    if simulation.letters_lane is not None:
        letters = simulation.kafka.log(simulation.letters_lane)
        late_by_lane.append(list(late_rows(letters, _letter_decoder(simulation, files))))
    late = [row for rows in late_by_lane for row in rows]
    named = any(
        isinstance(error, NAMES_LATE_ROWS) for it in simulation.lives for error in it.errors
    )
    found: list[str] = []
    for life in simulation.lives:
        found += _of_life(life, may_be_refused=_may_hold_late_rows(simulation))
    is_by_file = files is not None and simulation.schedule.order is FileOrder.OBJECT
    verdict, of_letters = _verdicts(simulation, files)
    # By the first that is there twice: once nobody has seen that one, the numbers of those after it
    # are what a job expects of its next rows.
    # (Where each file is a job of its own, who looked may have been the job of another file.)
    looked = not is_by_file and any(rows[0].must_be_named for rows in late_by_lane if rows)
    if looked and not named:
        found.append(f"rows that came late were not named: {late}")
    excused = EXCUSED_WHERE_NAMED if named else EXCUSED if late and _all_late(late) else ()
    found += [str(anomaly) for anomaly in verdict.anomalies if anomaly.kind not in excused]
    if of_letters is not None:
        anomalies = (each for each in of_letters.anomalies if each.kind not in excused)
        found += [f"dead letters: {anomaly}" for anomaly in anomalies]
    return found if named else [*found, *_of_items(simulation, verdict.too_large)]


def _verdicts(simulation: Simulation, files: SetFiles | None) -> tuple[Verdict, Verdict | None]:
    """What the checker says of the topics of rows, and of that of dead letters, if there is one."""
    schedule = simulation.schedule
    is_by_file = files is not None and schedule.order is FileOrder.OBJECT
    place_of, uris = (lambda line: (URI, line)), [URI]
    if files is not None:
        place_of, uris = files.place_of, [*files.lines]
    due = Expectation(
        decode=_decoder(files),
        key_of=_key if schedule.lane_count > 1 and not schedule.routed else None,
        topics=[lane.topic for lane in simulation.lanes] if schedule.routed else (),
        number_for=_number_in(schedule.lane_count) if schedule.routed else None,
        ignore_foreign=True,
        stream_of=files.file_of if files is not None and is_by_file else None,
        size_limit=size_limit(simulation, place_of, uris),
    )
    lanes = simulation.lanes_by_number.items()
    records = {number: records_of(simulation.kafka.log(lane)) for number, lane in lanes}
    verdict = check(_rows(simulation, files), records, due, simulation.observations)
    if not schedule.large:
        return verdict, None
    decode = _letter_decoder(simulation, files)
    return verdict, judge_letters(simulation, _rows(simulation, files), due, decode)


def _rows(simulation: Simulation, files: SetFiles | None) -> Iterator[SourceRow]:
    return read_rows(io.BytesIO(simulation.source)) if files is None else files.rows()


def _letter_decoder(simulation: Simulation, files: SetFiles | None) -> Decoder:
    return letter_decoder(simulation, None if files is None else files.lines)


def _files(simulation: Simulation) -> SetFiles | None:
    """The files of a set by URI, as they were when the simulation began."""
    if not simulation.schedule.file_count:
        return None
    files = file_bytes(simulation.source, simulation.schedule.file_count)
    opened = {f"s3://bucket/{key}": partial(io.BytesIO, data) for key, data in files.items()}
    return SetFiles(opened, read_rows)


def _decoder(files: SetFiles | None) -> Decoder:
    if files is not None:
        return documented_record(files=files.lines)
    return documented_record(URI)


NAMES_LATE_ROWS = (RepeatedRowsError, EpochOrderError, TailGapError)
"""How a life ends that finds a batch which a forgetful leader took from an earlier worker."""

EXCUSED = (AnomalyKind.DUPLICATE_ROW, AnomalyKind.REORDERED_ROW)
"""What a batch makes that such a leader takes when nobody looks any more (docs/guarantees.md)."""

EXCUSED_WHERE_NAMED = (*EXCUSED, AnomalyKind.LOST_ROW, AnomalyKind.CHECKPOINT_AHEAD)
"""The job has stopped for good, so the rest is not loaded."""


@dataclass(frozen=True, slots=True)
class LateRow:
    """A row that is in the log twice. `unguarded`: from its first batch to its second, one was
    taken by a leader that had forgotten their writer. `must_be_named`: someone has read the log
    after that, from before the second one on (who reads from that one on sees what he sent), or
    sent the first batch of a later epoch there."""

    source_line: int
    unguarded: bool
    must_be_named: bool


def late_rows(log: PartitionLog, decode: Decoder | None = None) -> Iterator[LateRow]:
    """The rows that the log holds twice."""
    decode = decode or documented_record()
    values = [record.value for record in log.records()]
    if len(set(values)) == len(values):
        return  # a row is the same bytes each time
    headers = log.headers()
    seen: dict[int, BatchHeader] = {}
    for record in log.records():
        letter = TopicRecord(record.kafka_offset, None, record.value, record.headers)
        line = decode(letter)[0]
        if line is None:
            continue
        header = next(h for h in headers if h.last_kafka_offset >= record.kafka_offset)
        first = seen.setdefault(line, header)
        if first is header:
            continue
        place = header.base_kafka_offset
        looked = any(begin < place < end for begin, end in log.looks)
        begun = any(
            later.base_kafka_offset >= place
            and later.producer_epoch > first.producer_epoch
            and later.base_sequence == 0
            for later in headers
        )
        unguarded = any(first.base_kafka_offset <= taken <= place for taken in log.unguarded)
        yield LateRow(line, unguarded, looked or begun)


def _all_late(late: Sequence[LateRow]) -> bool:
    return all(row.unguarded for row in late)


def _may_hold_late_rows(simulation: Simulation) -> bool:
    """A leader had forgotten a writer and took it all the same; or it had, and was restarted and
    found in its log what it had known before."""
    restarted = any(fault.action == "restart" for life in simulation.lives for fault in life.met)
    return restarted or any(simulation.kafka.log(lane).unguarded for lane in simulation.all_lanes)


def _of_life(life: Life, *, may_be_refused: bool) -> Iterator[str]:
    for error in life.file_errors:
        if not isinstance(error, (*MAY_END, *(NAMES_LATE_ROWS if may_be_refused else ()))):
            yield f"life {life.number} had {error!r} with {life.job_id}"
    names_late_rows = any(isinstance(error, NAMES_LATE_ROWS) for error in life.errors)
    if life.error is None or (may_be_refused and names_late_rows):
        return
    what = f"life {life.number} ended with {life.error!r}"
    if life.is_undisturbed:
        yield f"{what}, though nothing befell it"
    elif not isinstance(life.error, MAY_END) or isinstance(life.error, ItemLostError):
        yield what
    elif not life.beside and not any(fault.point in TABLE_POINTS for fault in life.met):
        yield from _of_stop(life, what)


def _of_stop(life: Life, what: str) -> Iterator[str]:
    """A life that ended by an error, and could reach the table to the last."""
    item = life.item_at_end or {}
    if item.get("lease_owner") == life.owner:
        yield f"{what}, and did not release the lease"
    stored_rows = item.get("last_line", 0)
    assert isinstance(stored_rows, int)
    if stored_rows < life.acknowledged_rows:
        yield (
            f"{what}, with {life.acknowledged_rows} rows acknowledged, of which {stored_rows} are "
            "in the item"
        )


def records_of(log: PartitionLog) -> Iterator[TopicRecord]:
    """The log as the checker reads it."""
    for record in log.records():
        yield TopicRecord(record.kafka_offset, record.key, record.value, record.headers)


def _key(row: SourceRow) -> bytes:
    return str(row["key"]).encode()


def _number_in(topic_count: int) -> Callable[[SourceRow, bytes | None], int]:
    """Where rows belong that go to so many topics by the number in their key."""
    return lambda row, _: number_of(int(str(row["key"]).removeprefix("k")) % topic_count, 0)


def _of_items(simulation: Simulation, set_aside: int) -> Iterator[str]:
    """`set_aside`: so many rows are to be dead letters."""
    rows, schedule = simulation.schedule.row_count, simulation.schedule
    yield from _of_item(JOB_ID, simulation.items, rows)
    if not schedule.file_count:
        return
    for key, each in simulation.other_items.items():
        if CHUNK_MARK in key and len(each) > 1:
            yield f"{key}, a chunk of the list, was written {len(each)} times"
    if not simulation.items or schedule.order is FileOrder.SET:
        return
    digest = str(cast(Mapping[str, str], simulation.items[-1]["source"])["etag"])
    for number, data in enumerate(file_bytes(simulation.source, schedule.file_count).values()):
        child = child_id(JOB_ID, digest, number)
        row_count = sum(1 for _ in read_rows(io.BytesIO(data)))
        yield from _of_item(child, simulation.other_items.get(child, []), row_count)
    place = FakeStore(FakeTable(simulation.table, JOB_ID, simulation.time))
    totals = FileMarks(JOB_ID, digest, schedule.file_count, place.item).totals()
    size = sum(map(len, simulation.files.values()))
    expected = Totals(schedule.file_count, Loaded(rows, rows, size, set_aside), ())
    if totals != expected:
        yield f"the marks say {totals} at the end, not {expected}"


def _of_item(name: str, written: Sequence[Item], rows: int) -> Iterator[str]:
    """What is wrong with a job's item, as it was after each write."""
    if not written:
        yield f"there is no item of {name}"
        return
    item = written[-1]
    expected: dict[str, AttributeValue | None] = {
        "status": JobStatus.COMPLETED.value,
        "last_line": rows,
        "total_sent": rows,
        "lease_owner": None,
    }
    for attribute, value in expected.items():
        if item.get(attribute) != value:
            yield f"{attribute} of {name} is {item.get(attribute)!r} at the end, not {value!r}"
    for earlier, later in pairwise(written):
        for attribute in ("fencing_token", "checkpoint_number", "place"):
            before, after = _number(earlier, attribute), _number(later, attribute)
            if after < before:
                yield f"{attribute} of {name} fell from {before} to {after}"
        if earlier.get("producer_id", later.get("producer_id")) != later.get("producer_id"):
            yield f"the producer id of {name} was changed"
        if "producer_id" in earlier and earlier["configuration"] != later["configuration"]:
            yield f"the configuration of {name} was changed after its job had begun"
        if earlier["status"] == JobStatus.COMPLETED.value:
            yield f"the item of {name} was written after it was COMPLETED"


def _number(item: Item, attribute: str) -> tuple[int, ...]:
    """What must not fall; the place is that in a set's list, and in the file."""
    if attribute != "place":
        return (cast(int, item[attribute]),)
    piece = cast(Mapping[str, int], item.get("piece", {}))
    return piece.get("number", 0), cast(int, item["byte_offset"])
