"""Renews lock files: `python -m csvkafka.local.lock_jars [RELEASE…]`; without a release, all.

A release that has no lock file gets one; then a stack can run it. Resolution is done here, by the
maintainer, and not when a stack starts, because it reads some ninety POMs a release.
Kafka Connect is left out: neither the brokers nor the tools that csvkafka runs need it. So is the
logger of releases before 4.0, which would be a second one beside slf4j-simple.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

from csvkafka.local.jars import maven_context
from csvkafka.local.releases import known_releases, lock_file

LOGGER = "org.slf4j:slf4j-simple:1.7.36"
LEFT_OUT = (("org.apache.kafka", "connect-runtime"), ("org.slf4j", "slf4j-reload4j"))


def locked_lines(release: str, downloads: Path) -> list[str]:
    """One line `coordinates sha256` for each jar that the release needs; downloads them all."""
    context = maven_context(downloads)
    left_out = [context.project(*name) for name in LEFT_OUT]
    artifacts = (f"org.apache.kafka:{name}:{release}" for name in ("kafka_2.13", "kafka-tools"))
    roots = [context.create_dependency(root, left_out) for root in (*artifacts, LOGGER)]
    inputs, transitive = context.resolver.resolve(roots)
    lines = []
    for dependency in [*inputs, *transitive]:
        if dependency.classifier or dependency.type != "jar":
            raise ValueError(f"{dependency} is not a plain jar: the lock file cannot name it")
        digest = hashlib.sha256(Path(dependency.artifact.resolve()).read_bytes()).hexdigest()
        lines.append(f"{dependency.groupId}:{dependency.artifactId}:{dependency.version} {digest}")
    return sorted(lines)


def main() -> None:
    """Writes the lock files."""
    for release in sys.argv[1:] or known_releases():
        with tempfile.TemporaryDirectory() as downloads:
            lines = locked_lines(release, Path(downloads))
        head = (
            f"# Written by csvkafka/local/lock_jars.py: every jar of the embedded Kafka {release}."
        )
        lock_file(release).write_text("\n".join([head, *lines, ""]), "ascii")


if __name__ == "__main__":
    main()
