"""Every planted bug is found, by its own name; and a sound loader passes the same scenario."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext

import pytest

from csvkafka.local.base import Stack
from tests.planted import bugs, forgotten, in_process
from tests.planted.plant import Plant, Scenario
from tests.planted.scenarios import Ground
from tests.planted.table import (
    ALL_BUGS,
    CORE_MUTANTS,
    FAULTS,
    NOT_PLANTED,
    PLANTS,
    RECORD_BUGS,
    SET_BUGS,
)

NewStack = Callable[..., AbstractContextManager[Stack]]
SCENARIOS = {plant.scenario.__name__: plant.scenario for plant in PLANTS}


def found_by(scenario: Scenario, planted: str, stack: Stack, new_stack: NewStack) -> set[str]:
    here = scenario.__module__ in (forgotten.__name__, in_process.__name__)
    with ExitStack() as exits, bugs.planted(planted) if here else nullcontext():
        return scenario(Ground(stack, planted, new_stack, exits))


def test_every_bug_is_planted_or_explained() -> None:
    planted = {plant.name for plant in PLANTS}
    assert planted | set(NOT_PLANTED) == (ALL_BUGS | CORE_MUTANTS | SET_BUGS | RECORD_BUGS)
    assert not planted & set(NOT_PLANTED)
    assert bugs.names() == planted | FAULTS


@pytest.mark.parametrize("name", sorted(bugs.names()))
def test_what_a_bug_replaces_is_there(name: str) -> None:
    with bugs.planted(name):
        pass


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_planted_bug_is_found_by_its_name(
    plant: Plant, stack: Stack, new_stack: NewStack, note_found: Callable[[str, str], None]
) -> None:
    found = found_by(plant.scenario, plant.name, stack, new_stack)
    note_found(plant.name, f"{', '.join(sorted(found)) or 'NOT SEEN':28}  {plant.what}")
    assert plant.must & found, plant
    assert found <= plant.must | plant.may


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_sound_loader_passes(name: str, stack: Stack, new_stack: NewStack) -> None:
    assert found_by(SCENARIOS[name], "", stack, new_stack) == set()
