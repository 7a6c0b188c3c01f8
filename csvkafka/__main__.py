"""`python -m csvkafka`: the documented `main()`, with all settings from the environment.

With arguments it is the command line: `python -m csvkafka status JOB`.
"""

from __future__ import annotations

import sys

from csvkafka.process.collector import spare_long_lived_objects
from csvkafka.process.signals import end_at_once_on_signals


def command_line() -> None:
    """The script `csvkafka`."""
    end_at_once_on_signals()
    from csvkafka.cli import program

    program.main()


def documented_main() -> None:
    """`python -m csvkafka` and `python -m csvkafka.processor`."""
    end_at_once_on_signals()
    spare_long_lived_objects()
    from csvkafka.processor import main

    main()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        command_line()
    else:
        documented_main()
