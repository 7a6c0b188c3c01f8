"""`python -m csvkafka`: the documented `main()`, with all settings from the environment.

With arguments it is the command line: `python -m csvkafka status JOB`.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from csvkafka.process.collector import spare_long_lived_objects


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    # The imports take a while. Until `main` has its own handlers nothing has been begun, and to
    # process 1 of a container a signal without a handler is not even delivered.
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, _end_at_once)

    spare_long_lived_objects()
    if len(sys.argv) > 1:
        from csvkafka.cli import program

        program.main()
    else:
        from csvkafka.processor import main

        main()
