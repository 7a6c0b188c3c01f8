"""The names of the images are the same wherever the repository repeats them."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.local import releases
from csvkafka.testing.stacks import images

DOCKER = Path(__file__).resolve().parents[4] / "docker"


def test_the_dockerfile_and_the_compose_file_name_the_same_images() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert f"ARG PYTHON_IMAGE={images.PYTHON.default}\n" in dockerfile
    compose = (DOCKER / "compose.yaml").read_text()
    for image in (images.LOCALSTACK, images.JOB):
        assert f"${{{image.variable}:-{image.default}}}" in compose
    kafka = f"apache/kafka:{releases.DEFAULT_RELEASE}"
    assert f"${{{images.kafka_image().variable}:-{kafka}}}" in compose


def test_a_variable_replaces_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = images.kafka_image()
    assert kafka.name == kafka.default
    monkeypatch.setenv(kafka.variable, "mirror.example/kafka:4")
    assert kafka.name == "mirror.example/kafka:4"


def test_the_tag_of_kafkas_image_is_the_chosen_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(releases.VARIABLE, "3.9.1")
    assert images.kafka_image().name == "apache/kafka:3.9.1"
    assert images.stack_images("4.3.1")[0].name == "apache/kafka:4.3.1"
