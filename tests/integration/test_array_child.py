"""Each child of an AWS Batch array job loads the file of its line in the manifest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from csvkafka.checkpoint import CheckpointManager
from tests.integration.loads import LoadPlace

CHILD = Path(__file__).parents[2] / "deploy" / "option2-aws-batch" / "array_child.py"
KEYS = ["day/1.csv", "day/2.csv"]


def run_child(place: LoadPlace, folder: Path, index: int) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **place.settings(),
        "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
    }
    return subprocess.run(
        [sys.executable, str(CHILD), "-", "-", "manifest.txt"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_each_child_loads_its_file_under_a_job_of_its_own(place: LoadPlace, tmp_path: Path) -> None:
    place.stack.put_object(place.bucket, "manifest.txt", "\n".join(KEYS).encode())
    for number, key in enumerate(KEYS, 1):
        place.stack.put_object(place.bucket, key, b"id\n" + b"7\n" * number)
    for index, key in enumerate(KEYS):
        done = run_child(place, tmp_path, index)
        assert done.returncode == 0, done.stdout + done.stderr
        assert CheckpointManager(place.table, key).get_last_processed_line() == index + 1
    sources = [record["_source_file"].rsplit("/", 1)[1] for record in place.records()]
    assert sources == ["1.csv", "2.csv", "2.csv"]


def test_a_child_beyond_the_manifest_fails_and_says_so(place: LoadPlace, tmp_path: Path) -> None:
    place.stack.put_object(place.bucket, "manifest.txt", "\n".join(KEYS).encode())
    done = run_child(place, tmp_path, 2)
    assert done.returncode == 78, "a setting: Batch does not try it again"
    assert "has 2 lines, none of index 2" in done.stderr


def test_exit_codes_tell_batch_what_to_try_again(place: LoadPlace, tmp_path: Path) -> None:
    place.stack.put_object(place.bucket, "manifest.txt", "\n".join(KEYS).encode())
    assert run_child(place, tmp_path, 0).returncode == 66, "there is no such file"
    place.stack.put_object(place.bucket, KEYS[0], b"id,name\n1\n")
    assert run_child(place, tmp_path, 0).returncode == 65, "the file must be repaired"
    place.table = "no-such-table"
    assert run_child(place, tmp_path, 0).returncode == 75, "may pass: tried again"
