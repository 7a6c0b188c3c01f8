"""Which stack the tests run on: containers, embedded or external, and why.

Without a choice it is containers if an engine and the images are there, else embedded.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from csvkafka.errors import StackError

if TYPE_CHECKING:
    from csvkafka.local.base import Stack

KINDS = ("embedded", "containers", "external")
VARIABLE = "CSVKAFKA_STACK"


@dataclass(frozen=True, slots=True)
class StackChoice:
    """A kind of stack, and why it was chosen."""

    kind: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.why})"


def choose_stack(option: str | None, environment: Mapping[str, str]) -> StackChoice:
    """The choice by `--stack`, else by $CSVKAFKA_STACK, else by what is there.

    Raises: StackError, in one line, if what was asked for is not there or there is no such kind."""
    asked = option or environment.get(VARIABLE)
    by = "--stack" if option else f"${VARIABLE}"
    if asked and asked not in KINDS:
        raise StackError(f"{by} is {asked!r}; choose one of {', '.join(KINDS)}")
    if asked and asked != "containers":
        return StackChoice(asked, f"by {by}")
    try:
        _require_containers()
    except StackError as error:
        if asked:
            raise StackError(f"containers were asked for by {by}, but {error}") from error
        return StackChoice("embedded", str(error))
    return StackChoice("containers", f"by {by}" if asked else "an engine and the images are there")


def _require_containers() -> None:
    try:
        from csvkafka.testing.stacks.engine import connect, require_images
    except ImportError as error:
        raise StackError(
            f"{error.name} is not installed; install it with: pip install 'csvkafka[testing]'"
        ) from error
    from csvkafka.testing.stacks.images import stack_images

    client = connect()
    try:
        require_images(client, stack_images())
    finally:
        client.close()


def open_stack(kind: str, broker_count: int = 1, **options: Any) -> AbstractContextManager[Stack]:
    """A new stack of that kind, not started yet. `options` go to its class; those of the embedded
    stack (`kafka_release`, `properties`, `jvm_options`) hold for containers too. The external stack
    takes none."""
    if kind == "embedded":
        from csvkafka.local.stack import EmbeddedStack

        return EmbeddedStack(broker_count, **options)
    if kind == "containers":
        from csvkafka.testing.stacks.containers import ContainerStack

        return ContainerStack(broker_count, **options)
    from csvkafka.testing.stacks.external import ExternalStack

    if options or broker_count != 1:
        raise StackError(
            "an external stack is taken as it is; this test needs brokers with settings of its "
            "own: take --stack containers or embedded for it"
        )
    return ExternalStack()
