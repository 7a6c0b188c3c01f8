"""The one thread that writes to the checkpoint item, beside the loop.

A daemon, unlike the threads of `concurrent.futures`: a call that hangs in the network must not keep
the process from ending. What it was writing is either stored or not, and the next start finds out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class StoreThread(Executor):
    """Runs what is submitted, one after the other. `shutdown` never waits."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="csvkafka-store", daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queues the call; its future holds what it returns or raises."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
                future.set_exception(error)
            else:
                future.set_result(result)

        self._work.put(work)
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Lets the thread end after what is queued."""
        self._work.put(None)

    def _run(self) -> Any:
        while (work := self._work.get()) is not None:
            work()
