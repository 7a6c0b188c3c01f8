"""This checkout beside another one, in turns on the same servers: a start, and a whole load.

    python -m benchmarks.beside OTHER/.venv/bin/python [--rounds 5]

Each of the two environments holds its own csvkafka. Prints the processor time of the commands that
users run, with all their children: least and median of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.contenders import environment_of
from benchmarks.ground import Ground
from benchmarks.inputs import Input, make_inputs

TIMES = 3
"""How often flights.csv is loaded in one load: 1,010,328 rows."""

THE_PYTHON_ENCODER = {"CSVKAFKA_ENCODER": "python"}


class Beside:
    """What is measured; each method runs one command and gives its processor time."""

    def __init__(self, ground: Ground, table: Input) -> None:
        self._ground = ground
        self._table = table

    def version(self, python: str, settings: dict[str, str]) -> float:
        """`csvkafka --version`."""
        command = [str(Path(python).with_name("csvkafka")), "--version"]
        return measure.run(command, settings).cpu_seconds

    def refused(self, python: str, settings: dict[str, str]) -> float:
        """A load whose object is not there: it has begun, and asked S3."""
        environment = {**self._environment("no-topic", 1), **settings, "S3_KEY": "none"}
        return self._load(python, environment, expected_exit=1)

    def complete(self, python: str, settings: dict[str, str]) -> float:
        """A load of a complete job once more: it asks all servers, and sends nothing."""
        with self._ground.topic() as topic:
            environment = {**self._environment(topic, 1), **settings}
            self._load(python, environment)
            return self._load(python, environment)

    def load(self, python: str, settings: dict[str, str]) -> float:
        """A whole load."""
        with self._ground.topic() as topic:
            return self._load(python, {**self._environment(topic, TIMES), **settings})

    def _environment(self, topic: str, times: int) -> dict[str, str]:
        environment = environment_of(self._ground, self._table, times, topic)
        del environment["PYTHONPATH"]  # that of this checkout
        return environment

    def _load(self, python: str, environment: dict[str, str], expected_exit: int = 0) -> float:
        command = [python, "-P", "-m", "csvkafka"]
        return measure.run(command, environment, expected_exit=expected_exit).cpu_seconds


def main() -> None:
    """Prints a line for each command and side."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", help="the Python of the other checkout's environment")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sides: dict[str, tuple[str, dict[str, str]]] = {
        "the other": (options.other, {}),
        "this one, Python encoder": (sys.executable, THE_PYTHON_ENCODER),
        "this one": (sys.executable, {}),
    }
    with tempfile.TemporaryDirectory(prefix="csvkafka-bench-") as folder:
        table = make_inputs(Path(folder))["flights"]
        with Ground(Path(folder)) as ground:
            beside = Beside(ground, table)
            for what in (beside.version, beside.refused, beside.complete, beside.load):
                taken: dict[str, list[float]] = {side: [] for side in sides}
                for _ in range(options.rounds):
                    for side, (python, settings) in sides.items():
                        taken[side].append(what(python, settings))
                print((what.__doc__ or "").strip(), flush=True)
                for side, seconds in taken.items():
                    least, median = min(seconds), statistics.median(seconds)
                    print(f"  {side:>24}: {least:.3f} s, median {median:.3f} s", flush=True)


if __name__ == "__main__":
    main()
