"""Which release of Kafka a stack runs: what was asked for, or a refusal that lists all."""

from __future__ import annotations

import pytest

from csvkafka.errors import StackError
from csvkafka.local.releases import DEFAULT_RELEASE, VARIABLE, choose_release, known_releases
from csvkafka.local.stack import EmbeddedStack
from csvkafka.testing.stacks.choice import open_stack


@pytest.fixture(autouse=True)
def no_release_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_the_release_that_is_asked_for_goes_before_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert choose_release() == DEFAULT_RELEASE
    monkeypatch.setenv(VARIABLE, "4.3.1")
    assert choose_release() == "4.3.1"
    assert choose_release("3.9.1") == "3.9.1"
    assert EmbeddedStack().kafka_release == "4.3.1"
    assert EmbeddedStack(kafka_release="3.9.1").kafka_release == "3.9.1"


def test_the_beginning_of_a_release_is_the_newest_that_begins_so() -> None:
    newest = {release.rpartition(".")[0]: release for release in known_releases()}
    assert {beginning: choose_release(beginning) for beginning in newest} == newest
    assert choose_release("4") == known_releases()[-1]
    with pytest.raises(StackError):
        choose_release("4.")


def test_releases_are_listed_from_the_oldest_to_the_newest() -> None:
    assert known_releases()[0] == "3.9.1"
    assert DEFAULT_RELEASE in known_releases()


def test_an_unknown_release_is_answered_with_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = ", ".join(known_releases())
    with pytest.raises(StackError, match=rf"^Kafka 2\.8\.0 is not among .*: {there}; choose"):
        open_stack("embedded", kafka_release="2.8.0")
    monkeypatch.setenv(VARIABLE, "5.0")
    with pytest.raises(StackError, match=rf"Kafka 5\.0 \(by \${VARIABLE}\) is not among"):
        EmbeddedStack()
