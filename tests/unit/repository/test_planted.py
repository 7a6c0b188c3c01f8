"""Each planted bug still has the place that it is planted in: what it replaces is there."""

from __future__ import annotations

import pytest

from tests.planted.bugs import names, planted


@pytest.mark.parametrize("name", sorted(names()))
def test_a_planted_bug_has_its_place(name: str) -> None:
    with planted(name):
        pass
