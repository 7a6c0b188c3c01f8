"""Brokers and tools take the archive of Kafka's classes; a damaged one does no harm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from csvkafka.local.class_archive import make_class_archive
from csvkafka.local.jars import kafka_class_path
from csvkafka.local.java import class_archive, java_command
from csvkafka.local.stack import EmbeddedStack


def made_at(archive: Path) -> tuple[int, int]:
    """Which file it is; not when a JVM has read it last."""
    return archive.stat().st_ino, archive.stat().st_mtime_ns


def test_a_broker_takes_the_archive_and_it_is_made_once() -> None:
    archive = make_class_archive()
    assert archive is not None
    made = made_at(archive)
    with EmbeddedStack() as stack:
        assert str(archive) in Path(f"/proc/{stack.brokers[0].pid}/maps").read_text()
    assert make_class_archive() == archive
    assert made_at(archive) == made
    assert [path.name for path in archive.parent.glob("linked-classes-*")] == [
        archive.with_suffix(".jsa").name,
        archive.with_suffix(".lock").name,
    ]


def test_a_tool_goes_on_beside_a_damaged_archive_and_says_nothing_of_it(tmp_path: Path) -> None:
    class_path = kafka_class_path()
    jars = Path(class_path).parent
    shutil.copytree(jars, tmp_path / "jars", ignore=shutil.ignore_patterns("*classes-*"))
    damaged = class_archive(f"{tmp_path}/jars/*")
    damaged.write_bytes(b"no archive" * 10_000)
    command = java_command(
        f"{tmp_path}/jars/*",
        "kafka.tools.StorageTool",
        ["random-uuid"],
        jvm_options=(),
        temporary_folder=tmp_path,
        log_level="error",
    )
    assert f"-XX:SharedArchiveFile={damaged}" in command
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    assert len(done.stdout.strip()) == 22
    assert done.stderr == ""
