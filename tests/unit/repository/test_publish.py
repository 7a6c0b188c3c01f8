"""Which tags an image is pushed under, and which image is not pushed at all."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from csvkafka import __version__

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLDER = Path(__file__).resolve().parents[3] / "docker" / "images"


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    import publish

    return publish


def test_a_version_is_pushed_under_its_number_the_main_branch_under_its_name(
    publish: ModuleType,
) -> None:
    assert publish.tags(COMMIT, f"refs/tags/v{__version__}") == [COMMIT, __version__, "latest"]
    assert publish.tags(COMMIT, "refs/heads/main") == [COMMIT, "main"]
    assert publish.tags(COMMIT, "refs/heads/topic") == [COMMIT]


def test_a_tag_that_is_not_the_version_is_refused(publish: ModuleType) -> None:
    with pytest.raises(publish.engine.EngineError, match=f"is not v{__version__}"):
        publish.tags(COMMIT, "refs/tags/v99.0.0")


def test_an_image_of_another_commit_is_refused(
    publish: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"org.opencontainers.image.version": __version__}
    monkeypatch.setattr(publish.engine, "image_label", lambda _, label: labels.get(label, ""))
    with pytest.raises(publish.engine.EngineError, match="has the revision unknown"):
        publish.check_image(COMMIT)
    labels["org.opencontainers.image.revision"] = COMMIT
    publish.check_image(COMMIT)
