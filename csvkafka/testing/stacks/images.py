"""The images that csvkafka's tests and compose file use: the one place of their names.

Each name can be replaced by an environment variable, e.g. to take a mirror's. The job's image and
`docker/compose.yaml` repeat them as defaults; a test holds them equal.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """An image: the name by default, and the variable that may hold another."""

    default: str
    variable: str

    @property
    def name(self) -> str:
        """The name to use in this environment."""
        return os.environ.get(self.variable) or self.default


DEBIAN = Image("debian:trixie-slim", "CSVKAFKA_DEBIAN_IMAGE")
PYTHON = Image("python:3.13-slim", "CSVKAFKA_PYTHON_IMAGE")
KAFKA = Image("apache/kafka:4.3.1", "CSVKAFKA_KAFKA_IMAGE")
# 4.14.0 is the last LocalStack that runs without an account.
LOCALSTACK = Image("localstack/localstack:4.14.0", "CSVKAFKA_LOCALSTACK_IMAGE")
JOB = Image("csvkafka:latest", "CSVKAFKA_JOB_IMAGE")
# Tools of `nox -s scan`.
SYFT = Image("anchore/syft:v1.51.0", "CSVKAFKA_SYFT_IMAGE")
GRYPE = Image("anchore/grype:v0.116.0", "CSVKAFKA_GRYPE_IMAGE")
STACK_IMAGES = (KAFKA, LOCALSTACK)
