"""What the tests of this room share."""

from __future__ import annotations

import pytest

from tests.unit.aws.aws_environment import set_aws_environment


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `set_aws_environment`."""
    set_aws_environment(monkeypatch)
