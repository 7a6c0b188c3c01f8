"""Kafka's classes as a JVM keeps them in memory, made once, so that brokers start sooner.

A broker reads, checks and links ten thousand classes when it starts. With an archive of them
(Java's class data sharing), linked, it does so with less than half of the processor time. The
archive lies beside the jars, one for each Java runtime. Who starts many brokers makes it first
(`make_class_archive`, as the pytest plugin does); every broker and tool takes it where it is there.
It changes nothing else: a JVM that finds it damaged, or made of other jars, goes on without it.
Who makes one removes those that nobody has read for a month: another release of Kafka or of Java
leaves them behind, 60 MB each.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from kafka import KafkaProducer

from csvkafka.errors import StackError
from csvkafka.local.jars import kafka_class_path
from csvkafka.local.java import BASE_JVM_OPTIONS, class_archive, java_home
from csvkafka.local.made_once import made_once
from csvkafka.local.processes import Guardian, log_tail
from csvkafka.local.stack import BROKER_JVM_OPTIONS, EmbeddedStack

UNUSED_SECONDS = 30 * 86_400.0

_DUMP_SECONDS = 300.0

_LINKED = ("-XX:+IgnoreUnrecognizedVMOptions", "-XX:+AOTClassLinking")
"""The classes are linked in the archive already (Java 24 and newer; others leave that to each
start): a broker starts with 1.6 s of processor time, and with 2.1 s else."""


def make_class_archive() -> Path | None:
    """The path of the archive, which is made if it is not there: about ten seconds of work, once
    for a machine.

    Several processes may ask at once; one makes it, the others wait. None where it cannot be made,
    as in a cache that cannot be written: it is only there to save time."""
    class_path = kafka_class_path()
    archive = class_archive(class_path)

    def make(target: Path) -> None:
        _dump(class_path, target)
        remove_unused(archive.parent.parent)

    with contextlib.suppress(OSError, StackError):
        made_once(archive, make)
    return archive if archive.exists() else None


def remove_unused(cache: Path) -> None:
    """Removes the archives beside all jars in the folder `cache` that nobody has read for
    `UNUSED_SECONDS`. A JVM that has one open keeps it; one that looks for it goes on without."""
    long_ago = time.time() - UNUSED_SECONDS
    for archive in cache.glob("jars-*/*classes-*.jsa"):
        with contextlib.suppress(OSError):  # another process removes it, or may alone
            times = archive.stat()
            if max(times.st_atime, times.st_mtime) < long_ago:
                archive.unlink()
                archive.with_suffix(".lock").unlink(missing_ok=True)


def _dump(class_path: str, target: Path) -> None:
    guardian = Guardian()
    try:
        listed = guardian.folder / "classes"
        _list_classes(listed)
        command = [
            str(java_home() / "bin" / "java"),
            *BASE_JVM_OPTIONS,
            "-Xshare:dump",
            *_LINKED,
            f"-XX:SharedClassListFile={listed}",
            f"-XX:SharedArchiveFile={target}",
            "-cp",
            class_path,
        ]
        process = guardian.spawn(command, guardian.folder / "output")
        if not process.wait(_DUMP_SECONDS) or process.return_code() != 0:
            raise StackError(f"no archive of Kafka's classes:\n{log_tail(process.log)}")
    finally:
        guardian.close()


def _list_classes(listed: Path) -> None:
    """Notes the classes of a broker that starts, takes a record and stops."""
    options = (*BROKER_JVM_OPTIONS, "-Xshare:off", f"-XX:DumpLoadedClassList={listed}")
    with EmbeddedStack(jvm_options=options) as stack:
        stack.create_topic("topic")
        producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers)
        producer.send("topic", b"record").get(timeout=60)
        producer.close()
        stack.brokers[0].terminate()
