"""The images that csvkafka's tests and compose file use: the one place of their names.

Each name can be replaced by an environment variable, e.g. to take a mirror's. Kafka's tag is the
release that is chosen as for the embedded stack (`csvkafka.local.releases`). The job's image and
`docker/compose.yaml` repeat the names as defaults; a test holds them equal.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from csvkafka.local.releases import choose_release


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
# 4.14.0 is the last LocalStack that runs without an account.
LOCALSTACK = Image("localstack/localstack:4.14.0", "CSVKAFKA_LOCALSTACK_IMAGE")
JOB = Image("csvkafka:latest", "CSVKAFKA_JOB_IMAGE")
# Tools of `nox -s scan`.
SYFT = Image("anchore/syft:v1.51.0", "CSVKAFKA_SYFT_IMAGE")
GRYPE = Image("anchore/grype:v0.116.0", "CSVKAFKA_GRYPE_IMAGE")


def kafka_image(release: str | None = None) -> Image:
    """Kafka's image of the release that `choose_release` takes. Raises: StackError."""
    return Image(f"apache/kafka:{choose_release(release)}", "CSVKAFKA_KAFKA_IMAGE")


def stack_images(kafka_release: str | None = None) -> tuple[Image, ...]:
    """The images of a container stack. Raises: StackError, if there is no such release."""
    return (kafka_image(kafka_release), LOCALSTACK)
