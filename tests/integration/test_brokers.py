"""docs/brokers.md says what the release of this session answers."""

from __future__ import annotations

from uuid import uuid4

import pytest

from csvkafka.local.base import Stack
from tests import brokers


def test_the_page_says_what_this_release_answers(stack: Stack) -> None:
    release = getattr(stack, "kafka_release", None)
    if release is None:
        pytest.skip("an external stack does not say which release it is")
    answered = [brokers.row(result) for result in brokers.ask(stack, f"probed-{uuid4().hex[:8]}")]
    assert answered == brokers.rows_of(brokers.PAGE.read_text("utf-8"), release)
