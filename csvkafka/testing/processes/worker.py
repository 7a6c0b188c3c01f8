"""The real loader in a process that the harness can kill at any step that the pipeline reports.

    python -P -m csvkafka.testing.processes.worker --steps FILE [--crash batch-sent#3] [--pace 0.01]

Settings come from the environment, exit codes and log are the product's. The loader itself has no
test switch: the observer that gives users progress writes each step to FILE, and at the crash point
sends this process a signal, so that not one instruction more is run. (Before it stops itself, a
write to a checkpoint file comes to its end.) `--pace` makes the observer rest at each
acknowledgement, so that a small file takes long enough to be killed in; `--block-bytes` cuts it
into more blocks, `--point-bytes` sets its restart points closer; `--kafka request_timeout_ms=3000`
shortens a time limit of `KafkaSettings`, so that a test need not wait for it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import CheckpointError
from csvkafka.model import Step
from csvkafka.process.ending import log_ending
from csvkafka.process.logs import LOG_LEVEL_VARIABLE, configure_logging
from csvkafka.process.signals import StopSignals
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.processes.step_log import StepLogWriter
from csvkafka.wiring import run_load

log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""More than a write to a checkpoint file takes, however slow its disk is."""


class CrashingObserver:
    """Writes each step down, and sends this process the signals of the crash points."""

    def __init__(
        self,
        steps: StepLogWriter,
        crash_points: Sequence[CrashPoint],
        pace_seconds: float,
        *,
        before_a_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps = steps
        self._before_a_stop = before_a_stop
        self._left = {point: point.nth for point in crash_points}
        self._pace_seconds = pace_seconds

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        line = self._steps.write(step, facts)
        for point, left in self._left.items():
            if point.step is step and left > 0 and line.reached >= point.from_rows:
                self._left[point] = left - 1
                if left == 1:
                    if point.signal is signal.SIGSTOP:
                        self._before_a_stop()
                    self._strike(point.signal)
        if step is Step.BATCH_ACKNOWLEDGED and self._pace_seconds:
            time.sleep(self._pace_seconds)

    @staticmethod
    def _strike(number: signal.Signals) -> None:
        # To this very thread: it is stopped before it returns from the call, whoever reports.
        signal.pthread_kill(threading.get_ident(), number)


def wait_for_writes(checkpoint: CheckpointPlace) -> None:
    """Returns when no write to the checkpoint file is on its way (and at once for a table).

    A process that is stopped in the middle of one, which is in the store's thread, would keep the
    file locked for the test and for all other workers until it goes on (docs/guarantees.md). While
    the thread that reports stands here, it begins no other."""
    if checkpoint.path is None:
        return
    from csvkafka.files.sqlite_store import SqliteStore

    with suppress(CheckpointError):  # without a file there is nothing to wait for
        SqliteStore(checkpoint.path, busy_seconds=WRITE_SECONDS).check()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="csvkafka.testing.processes.worker", description=__doc__)
    parser.add_argument("--steps", type=Path, required=True)
    parser.add_argument("--crash", type=CrashPoint.parse, action="append", default=[])
    parser.add_argument("--pace", type=float, default=0.0, help="seconds at each acknowledgement")
    parser.add_argument("--block-bytes", type=int, help="source bytes of a block")
    parser.add_argument("--point-bytes", type=int, help="content between two restart points")
    parser.add_argument("--replay", action="store_true", help="replay the job of the settings")
    parser.add_argument("--kafka", action="append", default=[], help="limit=milliseconds")
    return parser.parse_args()


def _config(arguments: argparse.Namespace) -> LoadConfig:
    config = LoadConfig.from_settings(os.environ)
    if arguments.block_bytes is not None:
        config = replace(config, spec=replace(config.spec, block_bytes=arguments.block_bytes))
    if arguments.point_bytes is not None:
        config = replace(config, point_spacing_bytes=arguments.point_bytes)
    if arguments.replay:
        config = config.as_replay()
    limits: dict[str, Any] = {}
    for limit in arguments.kafka:
        name, _, milliseconds = limit.partition("=")
        limits[name] = int(milliseconds)
    return replace(config, kafka=replace(config.kafka, **limits))


def main() -> None:
    """Loads, and dies where it was told to."""
    arguments = _arguments()
    configure_logging(os.environ.get(LOG_LEVEL_VARIABLE, "INFO").upper())
    try:
        config = _config(arguments)
        observer = CrashingObserver(
            StepLogWriter(arguments.steps),
            arguments.crash,
            arguments.pace,
            before_a_stop=lambda: wait_for_writes(config.checkpoint),
        )
        with StopSignals() as signals:
            run_load(config, observer=observer, stop_signal=signals.requested)
    except Exception as error:  # noqa: BLE001 - the process ends here
        sys.exit(log_ending(log, error))


if __name__ == "__main__":
    main()
