"""The names of the images are the same wherever the repository repeats them."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.testing.stacks import images

DOCKER = Path(__file__).resolve().parents[4] / "docker"


def test_the_dockerfile_and_the_compose_file_name_the_same_images() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert f"ARG PYTHON_IMAGE={images.PYTHON.default}\n" in dockerfile
    compose = (DOCKER / "compose.yaml").read_text()
    for image in (images.KAFKA, images.LOCALSTACK, images.JOB):
        assert f"${{{image.variable}:-{image.default}}}" in compose


def test_a_variable_replaces_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert images.KAFKA.name == images.KAFKA.default
    monkeypatch.setenv(images.KAFKA.variable, "mirror.example/kafka:4")
    assert images.KAFKA.name == "mirror.example/kafka:4"
