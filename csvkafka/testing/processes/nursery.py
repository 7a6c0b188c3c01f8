"""Python programs that start at once: forked from a process that has imported what they import.

    worker = nursery().fork(("-m", "csvkafka.testing.processes.worker", ...), environment, log)

The worker is a process of its own (`nursery_process.py` says what it shares), killed, paused and
watched like any other. One nursery serves this whole process, from its first use on.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from csvkafka.local.processes import GuardedProcess, Guardian


class Nursery(Guardian):
    """A guardian that can fork too. Memory: some 60 MB from the first fork on, shared with its
    workers until they change it.

    It is started without the variables that make another Python (PYTHONHASHSEED)."""

    program: ClassVar[Sequence[str]] = ("-P", "-m", "csvkafka.testing.processes.nursery_process")
    gone: ClassVar[str] = (
        "the nursery, which forks workers, has ended, and they with it; start them again"
    )

    def __init__(self) -> None:
        taken = _taken_at_start(os.environ)
        super().__init__({name: v for name, v in os.environ.items() if name not in taken})

    @property
    def lives(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def fork(
        self,
        program: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
    ) -> GuardedProcess:
        """What `python -P *program` would start (a script, or -m and a module, and arguments), in
        the folder of its log, to which both its streams are appended, or stderr to `errors`.

        Raises: StackError, if it cannot be started or the nursery is gone."""
        request = {
            "action": "fork",
            "program": list(program),
            "env": dict(environment),
            "log": str(log),
            "errors": str(errors or log),
        }
        return GuardedProcess(self, self.ask(request)["pid"], log)


_of_process: dict[int, Nursery] = {}


def nursery() -> Nursery:
    """This process's nursery; a new one, if there is none that lives."""
    known = _of_process.get(os.getpid())
    if known is None or not known.lives:
        _of_process.clear()  # a process that forked this one keeps its own
        known = _of_process[os.getpid()] = Nursery()
        atexit.register(known.close)
    return known


def forks_are_the_same(environment: Mapping[str, str]) -> bool:
    """Whether a fork is what a new start with these variables would be.

    It is not where variables change Python itself (PYTHONUNBUFFERED, another locale), nor where the
    system's libraries must not be used after a fork, as on macOS."""
    same_locale = all(environment.get(name) == os.environ.get(name) for name in ("LANG", "LC_ALL"))
    return sys.platform.startswith("linux") and same_locale and not _taken_at_start(environment)


def without_python(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that Python reads when it starts, but for $PYTHONPATH, and
    without LC_CTYPE if Python has set it, as it does where there is no locale: what a test's runner
    was started with (PYTHONHASHSEED by tox) is nothing to the programs that it starts."""
    no_locale = (environment.get("LC_ALL") or environment.get("LANG") or "C") == "C"
    of_python = no_locale and environment.get("LC_CTYPE") == "C.UTF-8"
    return {
        name: text
        for name, text in environment.items()
        if not _is_pythons(name) and not (of_python and name == "LC_CTYPE")
    }


def _taken_at_start(environment: Mapping[str, str]) -> list[str]:
    """The variables whose work would be done before the fork: where the SDK looks for services, and
    those that Python reads when it starts, but for $PYTHONPATH, which a fork takes anew."""
    python = [name for name in environment if _is_pythons(name)]
    # Python sets LC_CTYPE by itself where there is no locale, and its children would inherit that.
    return [*python, *({"AWS_DATA_PATH", "LC_CTYPE"} & environment.keys())]


def _is_pythons(name: str) -> bool:
    return name.startswith("PYTHON") and name != "PYTHONPATH"
