"""A recovery case whose workers have bugs in them, and what it finds: a set of names.

Findings are anomalies by their names, `error X` for a worker that ended with XError, `exit N`,
`hangs`, and what a scenario has to say itself. A clean load that ends well finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from csvkafka.errors import StackError
from csvkafka.local.base import Stack
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import SMALL_FILE, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation, Supervisor

FOLDER = Path(__file__).parent
_ERROR = re.compile(r" - ERROR - (\w+?)Error: ")


class PlantedSupervisor(Supervisor):
    """Starts workers with what is planted in them."""

    planted = ""

    def start_python(
        self,
        program: Sequence[str],
        environment: Mapping[str, str],
        steps: Path | None = None,
        *,
        cold: bool = False,
    ) -> Incarnation:
        """As `Supervisor.start_python`."""
        if self.planted:
            module = {"csvkafka.testing.processes.worker": "planted_worker"}
            program = [module.get(part, part) for part in program]
            environment = {
                **environment,
                "PLANTED": self.planted,
                "PYTHONPATH": str(FOLDER),
                # Bugs are planted into Python, or into what it tells the compiled encoder.
                "CSVKAFKA_ENCODER": "compiled" if "-compiled-" in self.planted else "python",
            }
        return super().start_python(program, environment, steps, cold=cold)


class PlantedCase(RecoveryCase):
    """`planted` names what its workers have in them, "" nothing."""

    def __init__(
        self,
        stack: Stack,
        planted: str,
        source: CsvSpec | bytes | Mapping[str, bytes] = SMALL_FILE,
        **options: Any,
    ) -> None:
        super().__init__(stack, source, **options)
        self.supervisor.close()
        self.supervisor = PlantedSupervisor(self.history)
        self.supervisor.planted = planted

    def finish(self, timeout_seconds: float = 60.0, pace_seconds: float = 0.0) -> set[str]:
        """Runs a worker to its end; what it and the checker say."""
        return self.end_of(self.start(pace_seconds=pace_seconds), timeout_seconds)

    def end_of(
        self,
        worker: Incarnation,
        timeout_seconds: float = 60.0,
        isolations: Sequence[Isolation] = tuple(Isolation),
    ) -> set[str]:
        """Waits for the worker's end; what it and the checker say."""
        try:
            code = worker.wait(timeout_seconds)
        except StackError:
            worker.kill()
            return {"hangs"}
        if code == 0:
            return self.anomalies(isolations=isolations)
        print(worker.output())  # pytest shows it with a failure
        errors = _ERROR.findall(worker.output())
        return {f"error {errors[-1]}"} if code == 1 and errors else {f"exit {code}"}

    def anomalies(
        self, *, complete: bool = True, isolations: Sequence[Isolation] = tuple(Isolation)
    ) -> set[str]:
        """What the checker finds, for the readers of these levels together."""
        self._watch.observe()
        return {
            str(anomaly.kind)
            for isolation in isolations
            for anomaly in self.verdict(isolation, complete=complete).anomalies
        }
