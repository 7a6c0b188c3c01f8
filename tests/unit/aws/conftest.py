"""What the tests of this room share."""

from __future__ import annotations

import pytest
from botocore import handlers

from tests.unit.aws.aws_environment import set_aws_environment


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `set_aws_environment`."""
    set_aws_environment(monkeypatch)


@pytest.fixture(autouse=True)
def nobody_else_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once moto is imported, it listens to all requests of the process: then the SDK makes them."""
    own = [
        (event, listener, *more)
        for event, listener, *more in handlers.BUILTIN_HANDLERS
        if not getattr(listener, "__module__", "").startswith("moto.")
    ]
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", own)
