"""The releases of Apache Kafka that a stack can run, and which of them it is to be.

A release is there if `locks` holds its jars by name and SHA-256. The caller chooses one, else
$CSVKAFKA_KAFKA_RELEASE does, else it is `DEFAULT_RELEASE`; images follow it by their tag. The stack
starts all releases alike, because a release ignores a setting that it does not know. Kafka's own
tools may have other class names and options in another release.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from csvkafka.errors import StackError

VARIABLE = "CSVKAFKA_KAFKA_RELEASE"
DEFAULT_RELEASE = "4.4.0"

_LOCKS = Path(__file__).with_name("locks")


def known_releases() -> tuple[str, ...]:
    """The releases that are there, oldest first."""
    names = [path.stem.removeprefix("kafka-") for path in _LOCKS.glob("kafka-*.lock")]
    return tuple(sorted(names, key=lambda name: [int(part) for part in re.findall(r"\d+", name)]))


def choose_release(asked: str | None = None) -> str:
    """The release to run: `asked`, else $CSVKAFKA_KAFKA_RELEASE, else the default.

    "4.0" is the newest 4.0 that is there. Raises: StackError, listing the releases that are there.
    """
    wanted = asked or os.environ.get(VARIABLE) or DEFAULT_RELEASE
    for release in reversed(known_releases()):
        if release == wanted or release.startswith(f"{wanted}."):
            return release
    by = "" if asked else f" (by ${VARIABLE})"
    raise StackError(
        f"Kafka {wanted}{by} is not among the releases that are there: "
        f"{', '.join(known_releases())}; choose one of them"
    )


def lock_file(release: str) -> Path:
    """The file that names every jar of the release with its SHA-256."""
    return _LOCKS / f"kafka-{release}.lock"
