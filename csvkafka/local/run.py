"""`csvkafka local`: a stack for a person at a terminal, until Ctrl-C.

The lines that are echoed are shell commands and comments, so that they can be pasted or sourced.
"""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from csvkafka.errors import StackError
from csvkafka.local.processes import log_tail
from csvkafka.local.stack import EmbeddedStack

_WATCH_SECONDS = 0.5


class _Stop(BaseException):
    """SIGINT or SIGTERM came."""


def run_local(
    broker_count: int = 1,
    *,
    echo: Callable[[str], None],
    kafka_release: str | None = None,
    bucket: str | None = None,
    table: str | None = None,
    topics: Sequence[str] = (),
    partition_count: int = 1,
) -> None:
    """Starts a stack, echoes the exports that point at it, and serves until SIGINT or SIGTERM.

    `bucket`, `table` and `topics` are created first, and exported under the names that csvkafka
    reads, the first topic as KAFKA_TOPIC. Must be called in the main thread. Returns when nothing
    is left running.
    Raises: StackError, if the stack cannot be started or one of its servers ends.
    """
    try:
        with _stop_signals():
            chosen = EmbeddedStack(broker_count, kafka_release=kafka_release)
            kafka = f"Kafka {chosen.kafka_release}"
            echo(f"# starting {kafka}, S3 and DynamoDB (the first start fetches 45 MB of jars)")
            with chosen as stack:
                exports = stack.environment()
                if bucket is not None:
                    stack.create_bucket(bucket, versioned=True)
                    exports["S3_BUCKET"] = bucket
                if table is not None:
                    stack.create_table(table)
                    exports["DYNAMODB_TABLE"] = table
                for topic in topics:
                    stack.create_topic(topic, partition_count)
                    exports.setdefault("KAFKA_TOPIC", topic)
                for name, value in exports.items():
                    echo(f"export {name}={shlex.quote(value)}")
                echo("# ready; Ctrl-C stops it, and what it holds is gone then")
                _watch(stack)
    except _Stop:
        echo("# stopped")


@contextmanager
def _stop_signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise _Stop, once; later ones do not disturb the clean-up."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise _Stop

    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _watch(stack: EmbeddedStack) -> None:
    while True:
        for broker in stack.brokers:
            if not broker.is_running:
                raise StackError(
                    f"broker {broker.node_id} has ended; its log ends:\n{log_tail(broker.log)}"
                )
        if stack.aws.process.return_code() is not None:
            raise StackError(f"the AWS server has ended; its log ends:\n{log_tail(stack.aws.log)}")
        time.sleep(_WATCH_SECONDS)
