"""What a planted bug is shown by: each scenario returns what it found, nothing for a sound loader.

`ground` makes cases; some scenarios need a fault beside the bug, or no process at all.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGSTOP, SIGTERM
from typing import Any

from kafka import KafkaProducer, TopicPartition
from kafka.admin import NewPartitions

from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.faults.faulty_s3 import CutBody, FakeS3
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Hold
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.judging.recovery_case import BUCKET, KILLED
from tests.planted.case import PlantedCase

Found = set[str]
REQUEST_BYTES = 1_000
"""Every produce request is larger, every other request smaller (without compression)."""

MEMORY_LIMIT = 190 << 20
"""Above what a worker ever takes; a file of `LARGE_ROWS` in memory lies above it."""

LARGE_ROWS = 1_500_000


class Ground:
    """Makes cases with one bug in their workers; all are closed in the end."""

    def __init__(
        self, stack: Stack, planted: str, new_stack: Callable[..., Any], exits: ExitStack
    ) -> None:
        self.stack = stack
        self.planted = planted
        self.new_stack = new_stack
        self.exits = exits

    def case(self, *arguments: Any, fault: str = "", **options: Any) -> PlantedCase:
        """A case; `fault` is planted beside the bug, in the sound loader's workers too."""
        planted = ",".join(filter(None, (fault, self.planted)))
        stack = options.pop("stack", self.stack)
        return self.exits.enter_context(PlantedCase(stack, planted, *arguments, **options))


# -- kills -----------------------------------------------------------------------------------------


def load(ground: Ground, *source: CsvSpec | bytes, **options: Any) -> Found:
    """One run, slow enough that acknowledgements lag."""
    case = ground.case(*source, **options)
    return case.finish(pace_seconds=case.pace_seconds)


def killed_before_the_first_checkpoint(ground: Ground) -> Found:
    case = ground.case()
    case.kill_at(Step.CHECKPOINT_BEGINS)
    case.assert_midway()
    return case.finish()


def killed_after_a_checkpoint(ground: Ground, *source: CsvSpec | bytes, **options: Any) -> Found:
    """The resume begins at the checkpoint's byte; rows after it are in the topic already."""
    case = ground.case(*source, **options)
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=case.row_count // 10)
    if found := case.anomalies(complete=False):
        return found
    return case.finish()


def stalled_lane(ground: Ground) -> Found:
    """The partitions but one do not answer while checkpoints are due; then it is killed."""
    settings = {"KEY_COLUMN": "key", "CHECKPOINT_INTERVAL": "10"}
    case = ground.case(partitions=4, settings=settings, fault="a-stalled-lane")
    worker = case.start()
    worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, nth=10)

    def covers_rows() -> bool:
        return any(line.reached for line in worker.steps(Step.CHECKPOINT_STORED))

    wait_until(covers_rows, 3)
    worker.kill()
    return case.anomalies(complete=False)


def stopped_by_sigterm(ground: Ground) -> Found:
    case = ground.case()
    half = case.row_count // 2
    worker = case.start(CrashPoint(Step.BATCH_ACKNOWLEDGED, from_rows=half, signal=SIGTERM))
    found = case.end_of(worker)
    return found - {"exit 143"}


# -- late batches, zombies -------------------------------------------------------------------------


def _held_midway(ground: Ground, stack: Stack) -> tuple[PlantedCase, Any, dict[str, str]]:
    """A worker killed with a batch held in a proxy; settings of the next one, which goes past it"""
    broker: Any = stack.brokers[0]
    proxy = ground.exits.enter_context(Proxy(broker.proxied_address, broker.proxy_address))
    case = ground.case(
        stack=stack,
        settings={"KAFKA_BOOTSTRAP_SERVERS": proxy.address, "KAFKA_COMPRESSION_TYPE": "none"},
    )
    worker = case.start()
    worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)
    held = proxy.inject(Hold(Direction.TO_SERVER, REQUEST_BYTES))
    held.wait_for_effect()
    worker.kill()
    case.assert_midway()
    return case, held, {"KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers}


def batch_held_until_after_the_tail_scan(ground: Ground) -> Found:
    case, held, direct = _held_midway(ground, ground.stack)
    before = case.view.record_count()
    resumed = case.start_paused_at(Step.SOURCE_OPENED, settings=direct)
    held.lift()
    case.view.wait_for_records(before + 1)
    resumed.resume()
    return case.end_of(resumed)


def batch_held_until_all_is_done(ground: Ground) -> Found:
    """On a broker that looks each 200 ms which producer ids have expired (after a day)."""
    properties = {"producer.id.expiration.check.interval.ms": "200"}
    stack = ground.exits.enter_context(ground.new_stack(properties=properties))
    case, held, direct = _held_midway(ground, stack)
    resumed = case.start(settings=direct)
    if found := case.end_of(resumed):
        return found
    place = TopicPartition(case.topic, 0)
    admin = stack.admin_client()
    wait_until(lambda: not admin.describe_producers([place])[place].active_producers, 3)
    admin.close()
    held.lift()
    wait_until(lambda: case.view.record_count() > case.row_count, 3)
    return case.anomalies()


def zombie_wakes(ground: Ground) -> Found:
    """A paused owner, who has nothing more to send but to say that the job is complete, wakes after
    another took the lease, and that one is dead."""
    case = ground.case(settings={"LEASE_SECONDS": "1"})
    zombie = case.start(CrashPoint(Step.ALL_ACKNOWLEDGED, signal=SIGSTOP))
    zombie.wait_for_step(Step.ALL_ACKNOWLEDGED)
    case.kill_at(Step.LEASE_TAKEN)
    zombie.resume()
    found = case.end_of(zombie)
    return found - {"error Fenced"} if found else {"not fenced"}


# -- the topic -------------------------------------------------------------------------------------


def other_writers(ground: Ground) -> Found:
    """Another program writes to the topic while the loader is down."""
    case = ground.case(exclusive=False)
    case.kill_at(Step.CHECKPOINT_BEGINS)
    producer = KafkaProducer(bootstrap_servers=ground.stack.bootstrap_servers)
    for number in range(3):
        producer.send(case.topic, b"%d" % number).get(timeout=120)
    producer.close()
    return case.finish()


def open_transaction(ground: Ground) -> Found:
    """Another program's transaction is open before the job's rows, and stays open."""
    case = ground.case(exclusive=False)
    producer = KafkaProducer(
        bootstrap_servers=ground.stack.bootstrap_servers, transactional_id=case.topic
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(case.topic, b"open").get(timeout=120)
    readers = (Isolation.READ_UNCOMMITTED,)  # the others see nothing before the transaction ends
    found = case.end_of(case.start(CrashPoint(Step.CHECKPOINT_BEGINS)), isolations=readers)
    if found == {f"exit {KILLED}"}:
        found = case.end_of(case.start(pace_seconds=0.0), isolations=readers)
    producer.abort_transaction()
    producer.close()
    return found


def keyed(ground: Ground) -> Found:
    return load(ground, partitions=4, settings={"KEY_COLUMN": "key"})


def partitions_added(ground: Ground) -> Found:
    case = ground.case(partitions=2, settings={"KEY_COLUMN": "key"})
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=case.row_count // 3)
    admin = ground.stack.admin_client()
    admin.create_partitions({case.topic: NewPartitions(4)})
    admin.close()
    return case.finish()


def compacted_topic(ground: Ground) -> Found:
    config = {"cleanup.policy": "compact"}
    return refused(load(ground, topic_config=config, settings={"KEY_COLUMN": "key"}), "Config")


def refused(found: Found, error: str) -> Found:
    """Nothing, if that error stopped the loader, as it should; else what came instead."""
    if found == {f"error {error}"}:
        return set()
    return found or {"not refused"}


# -- the object ------------------------------------------------------------------------------------


@contextmanager
def fake_s3(case: PlantedCase) -> Iterator[FakeS3]:
    with FakeS3() as s3:
        s3.put(BUCKET, case.key, case.source)
        case.settings["AWS_ENDPOINT_URL_S3"] = s3.endpoint_url
        yield s3


def body_cut(ground: Ground) -> Found:
    """The connection of the one long GET is reset in the middle."""
    case = ground.case(settings={"ON_BAD_ROW": "keep"})
    with fake_s3(case) as s3:
        s3.script("GET", None, CutBody(len(case.source) // 2, reset=True))
        return case.finish()


def _replaced(ground: Ground, other: bytes) -> Found:
    case = ground.case(_SAME_SIZE)
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=case.row_count // 3)
    ground.stack.put_object(BUCKET, case.key, other)
    return refused(case.finish(timeout_seconds=15), "SourceChanged")


_SAME_SIZE = b"id,text\n" + b"".join(b"%05d,%s\n" % (n, b"a" * 90) for n in range(4_000))


def object_replaced(ground: Ground) -> Found:
    return _replaced(ground, _SAME_SIZE.replace(b"aaa", b"bbb"))


def object_shortened(ground: Ground) -> Found:
    return _replaced(ground, _SAME_SIZE[:1_007])


def gzip_of_two_members(ground: Ground) -> Found:
    source = b"".join(write_csv(CsvSpec(2_000)))
    half = source.index(b"\n", len(source) // 2) + 1
    stored = gzip.compress(source[:half]) + gzip.compress(source[half:])
    return load(ground, source, stored=stored, settings={"SOURCE_COMPRESSION": "gzip"})


def restart_point_of_another_object(ground: Ground) -> Found:
    """That of an object whose second member stands at the same byte, after fewer rows."""
    rows = [b"%05d,%s\n" % (n, b"text" * 20) for n in range(8_000)]
    ends, size = (4_000, 3_900), 60_000
    stored, sources = [], []
    for end in ends:
        first, second = b"id,text\n" + b"".join(rows[:end]), b"".join(rows[end:])
        stored.append(gzip.compress(first, 1).ljust(size, b"\0") + gzip.compress(second, 1))
        sources.append(first + second)
    settings = {"SOURCE_COMPRESSION": "gzip"}
    case, other = (
        ground.case(source, stored=packed, settings=settings, point_bytes=200_000)
        for source, packed in zip(sources, stored, strict=True)
    )
    for loaded in (other, case):
        loaded.kill_at(Step.BLOCK_ACKNOWLEDGED, from_rows=6_000)
        if loaded.stored_point() is None:
            return {"no point"}
    case.restore_point(other.stored_point())
    return case.finish()


def large_file(ground: Ground) -> Found:
    """A file of some 100 MB; the most memory that the worker ever had."""
    case = ground.case(CsvSpec(LARGE_ROWS), block_bytes=262_144)
    worker = case.start(CrashPoint(Step.COMPLETED, signal=SIGSTOP), pace_seconds=0.0)
    worker.wait_for_step(Step.COMPLETED, timeout_seconds=180)
    status = Path(f"/proc/{worker.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    print(f"the most memory: {peak[1]} kB of {MEMORY_LIMIT >> 10} kB")
    worker.kill()
    return {"memory grows with the file"} if int(peak[1]) << 10 > MEMORY_LIMIT else set()


# -- rows ------------------------------------------------------------------------------------------


def unicode_resume(ground: Ground) -> Found:
    spec = CsvSpec(12_000, unicode_fraction=0.5)
    return killed_after_a_checkpoint(ground, spec, settings={"ON_BAD_ROW": "keep"})


def no_final_newline(ground: Ground) -> Found:
    return load(ground, CsvSpec(500, final_line_end=False))


def quoted_newlines(ground: Ground) -> Found:
    spec = CsvSpec(500, newline_fraction=0.1)
    return load(ground, spec, settings={"ON_BAD_ROW": "keep"})


def byte_order_mark(ground: Ground) -> Found:
    return load(ground, CsvSpec(500, byte_order_mark=True))


def quoted_header(ground: Ground) -> Found:
    return load(ground, b'"id","text"\n' + b"".join(b"%d,x\n" % n for n in range(500)))


def cr_only(ground: Ground) -> Found:
    return load(ground, CsvSpec(500, line_end="\r"), block_bytes=262_144)


def unterminated_quote(ground: Ground) -> Found:
    rows = b"".join(b"%d,x\n" % n for n in range(500))
    found = load(ground, b"id,text\n" + rows + b'501,"open\n' + rows)
    return refused(found, "MalformedRow")


def oversized_row(ground: Ground) -> Found:
    rows = b"".join(b"%d,x\n" % n for n in range(500))
    source = b"id,text\n" + rows + b"501," + os.urandom(50_000).hex().encode() + b"\n" + rows
    found = load(
        ground,
        source,
        topic_config={"max.message.bytes": "40000"},
        settings={"KAFKA_COMPRESSION_TYPE": "none"},
    )
    return refused(found, "RecordTooLarge")


def windows_1252(ground: Ground) -> Found:
    # Bytes that are UTF-8 as well, so that nothing fails: they only mean something else there.
    source = "id;text\n" + "".join(f"{n};Ã© €\n" for n in range(500))
    settings = {"CSV_ENCODING": "cp1252", "CSV_DELIMITER": ";"}
    return load(ground, source.replace("€", "Ã¼").encode("cp1252"), settings=settings)


def ragged_row(ground: Ground) -> Found:
    rows = b"".join(b"%d,x,y\n" % n for n in range(500))
    return refused(load(ground, b"a,b,c\n" + rows + b"501,z\n" + rows), "MalformedRow")
