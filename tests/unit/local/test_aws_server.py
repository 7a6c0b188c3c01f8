"""The AWS server's one rule: one request at a time, so that a condition and its write are one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from csvkafka.local.aws_server import serialized


def test_no_request_enters_while_another_is_inside() -> None:
    inside: list[int] = []
    most_inside = 0
    others_may_enter = threading.Event()

    def application(environ: int, _start_response: Any) -> Iterable[bytes]:
        nonlocal most_inside
        inside.append(environ)
        most_inside = max(most_inside, len(inside))
        others_may_enter.wait(0.01)
        inside.remove(environ)
        return [b"%d" % environ]

    enter = serialized(application)
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda number: enter(number, None), range(16)))
    assert answers == [[b"%d" % number] for number in range(16)]
    assert most_inside == 1


def test_what_is_the_same_for_each_request_is_looked_up_once() -> None:
    command = [sys.executable, "-m", "tests.unit.local.moto_asked_twice"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
