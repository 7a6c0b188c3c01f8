"""Brokers that a test has harmed, made whole for the next one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from csvkafka.errors import StackError

if TYPE_CHECKING:
    from csvkafka.local.base import Stack


def heal(stack: Stack) -> None:
    """Lets the brokers of the stack run, whether they were killed or paused."""
    for broker in stack.brokers:
        if not broker.is_running:
            broker.start()
            continue
        with suppress(StackError):  # that it is not paused
            broker.resume()
