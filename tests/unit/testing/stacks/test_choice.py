"""Which stack is chosen, and what is said when the one that was asked for is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.errors import StackError
from csvkafka.testing.stacks.choice import choose_stack, open_stack
from csvkafka.testing.stacks.external import ExternalStack

pytest_plugins = ["pytester"]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of an engine that is not there."""
    address = f"unix://{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", address)
    return address


def test_the_option_goes_before_the_variable() -> None:
    choice = choose_stack("external", {"CSVKAFKA_STACK": "embedded"})
    assert str(choice) == "external (by --stack)"
    assert (
        str(choose_stack(None, {"CSVKAFKA_STACK": "embedded"})) == "embedded (by $CSVKAFKA_STACK)"
    )


def test_without_an_engine_the_stack_is_embedded_and_says_why(no_engine: str) -> None:
    choice = choose_stack(None, {})
    assert choice.kind == "embedded"
    assert f"no Docker engine answers at {no_engine}" in choice.why


@pytest.mark.parametrize(
    ("option", "environment", "by"),
    [("containers", {}, "--stack"), (None, {"CSVKAFKA_STACK": "containers"}, r"\$CSVKAFKA_STACK")],
)
def test_insisting_on_containers_without_an_engine_fails_in_one_line(
    no_engine: str, option: str | None, environment: dict[str, str], by: str
) -> None:
    with pytest.raises(StackError, match=f"by {by}, but no Docker engine answers") as caught:
        choose_stack(option, environment)
    assert no_engine in str(caught.value)
    assert "start one" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(StackError, match=r"\$CSVKAFKA_STACK is 'podman'; choose one of embedded"):
        choose_stack(None, {"CSVKAFKA_STACK": "podman"})


@pytest.mark.usefixtures("no_engine")
def test_a_session_without_the_fixture_looks_for_no_engine(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_subprocess("--stack", "containers")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*csvkafka stack*")


@pytest.mark.usefixtures("no_engine")
def test_a_session_that_insists_ends_before_its_first_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_it(stack): pass")
    result = pytester.runpytest_subprocess("--stack", "containers")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: containers were asked for by --stack, but no Docker*"])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_the_release_of_a_session_reaches_its_tests_and_their_children(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        "import os\nfrom csvkafka.testing.stacks.choice import open_stack\n"
        "def test_it():\n"
        "    assert os.environ['CSVKAFKA_KAFKA_RELEASE'] == '3.9.1'\n"
        "    assert open_stack('embedded').kafka_release == '3.9.1'\n"
    )
    assert pytester.runpytest_subprocess("--kafka-release", "3.9").ret == pytest.ExitCode.OK


def test_a_release_that_is_not_there_ends_the_session_with_those_that_are(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_subprocess("--kafka-release", "2.8.0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: Kafka 2.8.0 is not among*3.9.1, 4.0.*"])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_an_external_stack_needs_its_brokers_named() -> None:
    with pytest.raises(StackError, match=r"Kafka is not given: Missing .*KAFKA_BOOTSTRAP_SERVERS"):
        ExternalStack({})


def test_an_external_stack_takes_no_settings() -> None:
    with pytest.raises(StackError, match="an external stack is taken as it is"):
        open_stack("external", 3)
