"""Threads that work beside the loop and never keep the process from ending.

When the interpreter exits, it waits for the threads of `concurrent.futures`. So with them, a call
that hangs in the network, or a slow function of the user's, would hold up a stop without limit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Work = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(Executor):
    """Runs what is submitted in `count` threads, in its order. `shutdown` never waits."""

    def __init__(self, count: int, name: str) -> None:
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queues the call; its future holds what it returns or raises."""
        future: Future[T] = Future()
        self._work.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Lets the threads end after what is queued, or without it."""
        while cancel_futures:
            try:
                queued = self._work.get_nowait()
            except queue.Empty:
                break
            if queued is not None:
                queued[0].cancel()
        for _ in self._threads:
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            _carry_out(*work)
            del work  # it would keep a block in memory until the next call


def _carry_out(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
