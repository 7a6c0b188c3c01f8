"""A gzip object goes on from a restart point: killed at any time, and whatever the point's item is.

S3 is a fake that notes each request: what a resume asks for shows whether it read anything again.
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.ledger.point_item import point_item_id
from csvkafka.model import Step
from csvkafka.stores import open_store
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.faults.faulty_s3 import CutBody, FakeS3
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.inputs.packed import packed
from csvkafka.testing.judging.recovery_case import BUCKET, KILLED, RecoveryCase

ROWS = b"".join(
    write_csv(
        CsvSpec(row_count=30_000, quoted_fraction=0.05, newline_fraction=0.02, unicode_fraction=0.1)
    )
)
PACKED = gzip.compress(ROWS, 6, mtime=0)
SETTINGS = {"SOURCE_COMPRESSION": "gzip", "LOG_LEVEL": "INFO", "CHECKPOINT_INTERVAL": "250"}

BLOCK_BYTES = 16_384
POINT_BYTES = 200_000
PART_BYTES = 150_000
"""Some 120 blocks, 10 restart points, 14 members, frames or streams."""

KILLS_IN_A_LOAD = 8
PACE_SECONDS = 0.1
"""At each of some 120 batches: eight workers that live for up to 0.8 s after a checkpoint are all
killed before the load ends."""

NewCase = Callable[..., RecoveryCase]


class GzipCase:
    """A load of a gzip object whose restart points lie close, from a fake S3."""

    def __init__(self, made: RecoveryCase, s3: FakeS3, stored: bytes) -> None:
        self.case = made
        self.s3 = s3
        s3.put(BUCKET, made.key, stored)

    def kill_with_a_point(self, from_rows: int) -> None:
        """Killed in the middle, after a point was stored. Nothing waits for a point's write, so a
        kill may come before it: then the next worker is killed some rows later."""
        before = self.case.stored_point()
        while self.case.stored_point() in (None, before):
            worker = self.case.start(CrashPoint(Step.BLOCK_ACKNOWLEDGED, from_rows=from_rows))
            self.case.ends(worker, KILLED)
            self.case.assert_midway()
            from_rows += self.case.row_count // 20

    def begins(self) -> list[int]:
        """Where each GET since the last look began; the header's is left out."""
        begun = [
            int(request.range.removeprefix("bytes=").partition("-")[0])
            for request in self.s3.requests
            if request.method == "GET"
        ]
        self.s3.requests.clear()
        assert begun.pop(0) == 0
        return begun


@pytest.fixture
def new(recovery_case: NewCase) -> Iterator[Callable[..., GzipCase]]:
    with FakeS3() as s3:

        def make(stored: bytes = PACKED, **options: Any) -> GzipCase:
            more = options.pop("settings", {})
            settings = {**SETTINGS, "AWS_ENDPOINT_URL_S3": s3.endpoint_url, **more}
            made = recovery_case(
                ROWS,
                stored=stored,
                settings=settings,
                point_bytes=POINT_BYTES,
                block_bytes=BLOCK_BYTES,
                **options,
            )
            return GzipCase(made, s3, stored)

        yield make


def test_f113_each_resume_begins_at_a_restart_point(new: Callable[..., GzipCase]) -> None:
    load = new()
    begins = []
    for share in (0.4, 0.6, 0.8):
        load.kill_with_a_point(int(load.case.row_count * share))
        begins.append(load.begins()[-1])
    worker = load.case.run()
    begins.append(load.begins()[-1])
    assert begins[0] == 0 < begins[1] < begins[2] < begins[3]
    assert begins[3] > 0.4 * len(PACKED)
    assert "a restart point at byte" in worker.output()
    load.case.assert_once()


def test_f113_killed_at_random(new: Callable[..., GzipCase], kills: int, seed: int) -> None:
    """Each worker lives until it has stored a checkpoint, and some time more: it may have stored a
    point then, or be in the middle of it."""
    load, chance = new(), random.Random(seed)
    case, kills_in_all = load.case, min(kills, KILLS_IN_A_LOAD)
    for left in reversed(range(kills_in_all)):
        worker = case.start(settings={"CSVKAFKA_ENCODER": "python"}, pace_seconds=PACE_SECONDS)
        worker.wait_for_step(Step.CHECKPOINT_STORED)
        if left == 0:
            worker.wait_until(lambda: case.stored_point() is not None, "store a point", 120.0)
        worker.lives_for(chance.uniform(0.0, 0.8))
        assert worker.kill() == KILLED, f"the load ended before its kill:\n{worker.output()}"
    case.assert_midway()
    load.begins()
    worker = case.run()
    assert load.begins()[-1] > 0, worker.output()
    case.assert_once()


def test_f113_a_file_of_this_host_with_a_checkpoint_file(
    recovery_case: NewCase, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(PACKED)
    here = {"SOURCE": str(path), "S3_BUCKET": "", "S3_KEY": ""}
    case = recovery_case(
        ROWS,
        settings=SETTINGS | here,
        checkpoint="sqlite",
        point_bytes=POINT_BYTES,
        block_bytes=BLOCK_BYTES,
    )
    case.kill_at(Step.BLOCK_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    store = open_store(CheckpointPlace.parse(case.settings["CHECKPOINT"]))
    assert store.item(point_item_id(case.job_id)).get() is not None
    worker = case.run()
    assert f"Reading {path.as_uri()} from byte" in worker.output()
    case.assert_once()


def test_f113_members_are_restart_points_too(new: Callable[..., GzipCase]) -> None:
    members = [ROWS[place : place + PART_BYTES] for place in range(0, len(ROWS), PART_BYTES)]
    # Written by a compressor that makes one long block: nothing but its members can be entered.
    packed = [fixed(member) for member in members]
    load = new(b"".join(packed))
    load.kill_with_a_point(load.case.row_count // 2)
    assert load.begins()[-1] == 0
    load.case.run()
    assert load.begins()[-1] in set(accumulate(map(len, packed)))
    load.case.assert_once()


@pytest.mark.parametrize(("compression", "end"), [("zstd", ".zst"), ("bzip2", ".bz2")])
def test_f113_zstd_frames_and_bzip2_streams_are_restart_points(
    new: Callable[..., GzipCase], compression: str, end: str
) -> None:
    size = PART_BYTES
    parts = [packed(end, ROWS[place : place + size]) for place in range(0, len(ROWS), size)]
    load = new(b"".join(parts), settings={"SOURCE_COMPRESSION": compression})
    load.kill_with_a_point(load.case.row_count // 2)
    assert load.begins()[-1] == 0
    load.case.run()
    assert load.begins()[-1] in set(accumulate(map(len, parts)))
    load.case.assert_once()


@pytest.mark.parametrize(("compression", "end"), [("zstd", ".zst"), ("bzip2", ".bz2")])
def test_f113_one_zstd_frame_or_bzip2_stream_is_read_again_from_its_start(
    new: Callable[..., GzipCase], compression: str, end: str
) -> None:
    load = new(packed(end, ROWS), settings={"SOURCE_COMPRESSION": compression})
    load.case.kill_at(Step.CHECKPOINT_STORED, from_rows=load.case.row_count // 2)
    load.case.assert_midway()
    assert load.case.stored_point() is None
    load.begins()
    load.case.run()
    assert load.begins()[-1] == 0
    load.case.assert_once()


@pytest.mark.parametrize(("compression", "end"), [("zstd", ".zst"), ("bzip2", ".bz2")])
def test_f115_a_cut_zstd_or_bzip2_file_stops_at_its_place(
    new: Callable[..., GzipCase], compression: str, end: str
) -> None:
    stored = packed(end, ROWS, PART_BYTES)
    load = new(stored[: len(stored) * 3 // 4], settings={"SOURCE_COMPRESSION": compression})
    worker = load.case.run(exit_code=1)
    assert f"is not a sound {compression} file" in worker.output()
    load.case.assert_stopped(worker, "SourceCorrupt")


def fixed(text: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31, 9, zlib.Z_FIXED)
    return compressor.compress(text) + compressor.flush()


@pytest.mark.parametrize("what", ["lost", "garbled", "of another object"])
def test_f114_a_point_that_does_not_fit_is_not_used(
    new: Callable[..., GzipCase], what: str
) -> None:
    load = new()
    load.kill_with_a_point(load.case.row_count // 2)
    point = load.case.stored_point()
    assert point is not None
    if what == "lost":
        load.case.restore_point(None)
    elif what == "garbled":
        bits = int(point["stored_bits"]["N"]) + 8
        load.case.restore_point(point | {"stored_bits": {"N": str(bits)}})
    else:
        load.case.restore_point(point_of_another_object(new))
    assert_read_from_the_start(load)


def test_f114_a_point_after_the_checkpoint_is_not_used(new: Callable[..., GzipCase]) -> None:
    """As after the job's item alone was restored from a backup."""
    load = new(pace_seconds=0.05)  # a slow write of a point is not overtaken by the end
    load.kill_with_a_point(load.case.row_count // 4)
    backup = load.case.stored_item()
    load.case.restore_point(None)
    # The first point of a worker may lie before the backup; that of the one after it does not.
    load.kill_with_a_point(load.case.row_count * 3 // 5)
    load.kill_with_a_point(load.case.row_count * 3 // 4)
    load.case.restore_item(backup)
    point = load.case.stored_point()
    assert point is not None
    assert int(backup["byte_offset"]["N"]) < int(point["content_bytes"]["N"])
    assert_read_from_the_start(load)


def point_of_another_object(new: Callable[..., GzipCase]) -> dict[str, Any]:
    """That of the same rows, packed otherwise: its places fit no block of this one."""
    other = new(gzip.compress(ROWS, 1, mtime=0))
    other.kill_with_a_point(other.case.row_count // 2)
    point = other.case.stored_point()
    assert point is not None
    return point


def assert_read_from_the_start(load: GzipCase) -> None:
    load.s3.requests.clear()
    worker = load.case.run()
    assert load.begins()[-1] == 0, "the point was used"
    assert "No restart point of" in worker.output()
    load.case.assert_once()


def test_f115_damage_behind_a_restart_point_stops_at_its_place(
    new: Callable[..., GzipCase],
) -> None:
    damaged = PACKED[: len(PACKED) * 3 // 4]
    load = new(damaged)
    load.kill_with_a_point(load.case.row_count // 2)
    load.begins()
    worker = load.case.run(exit_code=1)
    # How far a damaged file is read is found out from its start.
    at_point, at_start = load.begins()[-2:]
    assert at_point > at_start == 0
    assert f"after byte {len(damaged)} as stored" in worker.output()
    load.case.assert_stopped(worker, "SourceCorrupt")


def test_f115_connections_break_behind_a_restart_point(new: Callable[..., GzipCase]) -> None:
    load = new()
    load.kill_with_a_point(load.case.row_count // 3)
    load.s3.script("GET", None, CutBody(after_bytes=50_001, reset=True), CutBody(after_bytes=10))
    load.case.run()
    load.case.assert_once()
