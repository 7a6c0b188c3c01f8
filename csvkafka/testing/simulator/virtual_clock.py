"""Virtual time: tasks that take turns, and events between them; nothing ever waits for real.

A task is a thread, but only one runs at a time: it gives way where it blocks (`sleep`, `block`),
and whoever comes next in virtual time goes on. So a run is deterministic, whatever it simulates,
and an hour of waiting costs nothing. The thread that makes a `VirtualTime` is its first task.

    time = VirtualTime()
    time.after(3.0, lambda: arrived.append(time.now))
    VirtualClock(time).sleep(5.0)  # arrived == [3.0], time.now == 5.0
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from typing import ClassVar

WALL_AT_START = 1_700_000_000.0
"""Unix time at virtual second 0."""

TICK_SECONDS = 1e-6
"""The shortest wait: without it, a rest that rounding leaves would be waited for without end."""


class Stalled(Exception):
    """Every task waits, and nothing is due that could wake one."""


class Task:
    """One thread of control. `kill` makes it raise what it was killed with wherever it blocks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False
        self._turn = threading.Lock()
        self._turn.acquire()
        self._wait_number = 0
        self._killed_with: BaseException | None = None


class _Runner:
    """A thread for one body after the other; it never ends. Runs took half as long again with a new
    thread for each body."""

    _idle: ClassVar[list[_Runner]] = []

    def __init__(self) -> None:
        self._body: Callable[[], None] | None = None
        self._begins = threading.Lock()
        self._begins.acquire()
        threading.Thread(target=self._run, name="virtual-time", daemon=True).start()

    @classmethod
    def run(cls, body: Callable[[], None]) -> None:
        """Runs it in an idle thread; it must not raise."""
        try:
            runner = cls._idle.pop()
        except IndexError:
            runner = cls()
        runner._body = body
        runner._begins.release()

    def _run(self) -> None:
        while True:
            self._begins.acquire()
            body, self._body = self._body, None
            assert body is not None
            body()
            del body
            self._idle.append(self)


class VirtualTime:
    """The time, the events that are due, and whose turn it is."""

    def __init__(self, limit_seconds: float = 100_000.0) -> None:
        """A run that is not over at `limit_seconds` raises Stalled."""
        self.now = 0.0
        self._limit_seconds = limit_seconds
        self._due: list[tuple[float, int, Task | None, int, Callable[[], object] | None]] = []
        self.turns = 0
        """How many turns were ever due."""
        self._first = Task("first")
        self._running = self._first
        self._live_tasks = 0

    @property
    def task(self) -> Task:
        """The task whose turn it is."""
        return self._running

    @property
    def has_events(self) -> bool:
        """Something is due that is no task's turn."""
        return any(task is None for _, _, task, _, _ in self._due)

    def at(self, seconds: float) -> float:
        """The time in so many seconds, later than now unless they are 0."""
        return self.now + max(seconds, TICK_SECONDS) if seconds > 0 else self.now

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Runs `action` in so many seconds, between the tasks' turns."""
        self._push(self.at(seconds), None, 0, action)

    def spawn(self, name: str, body: Callable[[], object]) -> Task:
        """A new task; its first turn comes when the running one blocks. `body` must not raise;
        what it returns is dropped."""
        task = Task(name)
        self._live_tasks += 1

        def run() -> None:
            task._turn.acquire()
            try:
                body()
            finally:
                task.ended = True
                self._live_tasks -= 1
                if self._live_tasks == 0:
                    self.wake(self._first)
                self._pass_turn(task)

        _Runner.run(run)
        self._push(self.now, task, task._wait_number, None)
        return task

    def block(self, seconds: float) -> None:
        """The running task waits for `seconds`, or until it is woken."""
        task = self._running
        if task._killed_with is not None:
            raise task._killed_with
        until = self.at(seconds)
        if until <= self._limit_seconds and not (self._due and self._due[0][0] <= until):
            # Nothing is due before: its turn ends and comes again.
            self.turns += 1
            task._wait_number += 2
            self.now = until
            return
        task._wait_number += 1
        self._push(until, task, task._wait_number, None)
        self._pass_turn(task)
        if task._killed_with is not None:
            raise task._killed_with

    def sleep(self, seconds: float) -> None:
        """The running task waits for `seconds`, whoever wakes it."""
        until = self.at(seconds)
        while self.now < until:
            self.block(until - self.now)

    def wake(self, task: Task) -> None:
        """Ends the task's `block`; no effect on one that does not block."""
        self._push(self.now, task, task._wait_number, None)

    def kill(self, task: Task, error: BaseException) -> None:
        """From now on the task raises `error` wherever it blocks, and where it blocks now."""
        task._killed_with = error
        self.wake(task)

    def join(self) -> None:
        """The first task waits until all others have ended."""
        while self._live_tasks:
            self.block(self._limit_seconds)

    def run_out(self) -> None:
        """Runs all that is still due, however late. No other task may live."""
        while self._due:
            due_at, _, task, _, action = heapq.heappop(self._due)
            if task is None and action is not None:
                self.now = max(self.now, due_at)
                action()

    def _push(
        self,
        due_at: float,
        task: Task | None,
        wait_number: int,
        action: Callable[[], object] | None,
    ) -> None:
        self.turns += 1
        heapq.heappush(self._due, (due_at, self.turns, task, wait_number, action))

    def _pass_turn(self, task: Task) -> None:
        """Runs what is due until it is some task's turn; returns when it is `task`'s again."""
        while True:
            if not self._due or self._due[0][0] > self._limit_seconds:
                # Raised in the first task, which is where the run was begun.
                self._first._killed_with = Stalled(f"at {self.now:.1f} s of virtual time")
                following: Task = self._first
                self._due.clear()
            else:
                due_at, _, target, wait_number, action = heapq.heappop(self._due)
                if target is None:
                    self.now = due_at
                    if action is not None:
                        action()
                    continue
                if target.ended or target._wait_number != wait_number:
                    continue  # it was woken by something else meanwhile
                self.now = due_at
                following = target
            following._wait_number += 1
            self._running = following
            if following is not task:
                following._turn.release()
                if not task.ended:
                    task._turn.acquire()
            return


class VirtualClock:
    """`clock.Clock` of one host. After `suspend`, `monotonic` has stood still while the others went
    on, as on a host that was suspended."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._suspended_seconds = 0.0

    def monotonic(self) -> float:
        return self._time.now - self._suspended_seconds

    def boottime(self) -> float:
        return self._time.now

    def wall(self) -> float:
        return WALL_AT_START + self._time.now

    def sleep(self, seconds: float) -> None:
        self._time.sleep(seconds)

    def suspend(self, seconds: float) -> None:
        """The whole host stands still."""
        self._time.sleep(seconds)
        self._suspended_seconds += seconds
