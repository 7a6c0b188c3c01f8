"""Renews `jars.lock`: `python -m csvkafka.local.lock_jars`, after a version below was changed.

Resolution is done here, by the maintainer, and not when a stack starts: it reads some ninety POMs.
Kafka Connect is left out: neither the brokers nor the tools that csvkafka runs need it.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from csvkafka.local.jars import LOCK_FILE, maven_context

KAFKA_VERSION = "4.3.1"
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",
)
LEFT_OUT = ("org.apache.kafka", "connect-runtime")


def locked_lines(downloads: Path) -> list[str]:
    """One line `coordinates sha256` for each jar that the roots need; downloads them all."""
    context = maven_context(downloads)
    left_out = context.project(*LEFT_OUT)
    roots = [context.create_dependency(root, [left_out]) for root in ROOTS]
    inputs, transitive = context.resolver.resolve(roots)
    lines = []
    for dependency in [*inputs, *transitive]:
        if dependency.classifier or dependency.type != "jar":
            raise ValueError(f"{dependency} is not a plain jar: the lock file cannot name it")
        digest = hashlib.sha256(Path(dependency.artifact.resolve()).read_bytes()).hexdigest()
        lines.append(f"{dependency.groupId}:{dependency.artifactId}:{dependency.version} {digest}")
    return sorted(lines)


def main() -> None:
    """Writes the lock file."""
    with tempfile.TemporaryDirectory() as downloads:
        lines = locked_lines(Path(downloads))
    head = "# Written by csvkafka/local/lock_jars.py: every jar of the embedded Kafka."
    LOCK_FILE.write_text("\n".join([head, *lines, ""]), "ascii")


if __name__ == "__main__":
    main()
