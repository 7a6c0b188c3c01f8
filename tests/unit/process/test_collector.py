"""The program's own process collects rarely, and leaves its last objects to the kernel."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import atexit, gc
atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 0))
from csvkafka.process.collector import spare_long_lived_objects
spare_long_lived_objects()
"""


def test_objects_that_live_to_the_end_are_not_looked_through_at_the_exit() -> None:
    command = [sys.executable, "-P", "-c", PROGRAM]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["50000", "True"]
