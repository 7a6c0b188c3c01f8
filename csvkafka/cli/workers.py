"""`csvkafka load --workers N`: processes of this host that load one set, shown as one load.

Each is a worker like any other and takes file after file by its lease. They are started fresh
(spawn), and in a process group of their own: a stop is handed to them once, by this process. When
this process is gone, they stop as if they were asked to.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from ctypes import Array, c_longlong
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any

from csvkafka.cli.set_progress import SetProgress
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    FilesFailedError,
    StoppedError,
    WorkersEndedError,
)
from csvkafka.model import FileOrder, Step
from csvkafka.process.ending import exit_code
from csvkafka.process.logs import configure_logging, let_go_of_output
from csvkafka.process.signals import StopSignals
from csvkafka.stores import open_store

if TYPE_CHECKING:
    from csvkafka.cli.load_view import LoadView

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker ended, if by itself: its exit codes, and the error's class and message."""

    plain: int = 0
    detailed: int = 0
    error: str = ""
    message: str = ""


@dataclass(slots=True)
class Worker:
    """One process. `shown` holds rows and bytes of the file that it is at."""

    number: int
    process: SpawnProcess
    ended: Connection
    output: Connection | None
    shown: Array[c_longlong]
    ending: Ending | None = None

    @property
    def is_alive(self) -> bool:
        return self.process.exitcode is None


def load_with_workers(
    config: LoadConfig,
    settings: Mapping[str, str],
    count: int,
    log_level: str,
    stop_signal: Callable[[], int | None],
    view: LoadView | None,
) -> None:
    """Loads a set by `count` processes, which get `settings` as they are; returns when it is
    complete. `view` shows what they do, else they write their lines themselves.

    Raises ConfigError, FilesFailedError, WorkersEndedError, StoppedError."""
    if not config.is_set:
        raise ConfigError(
            f"--workers is for a set, and {config.source_uri} is one object or file: leave it out, "
            "or set S3_PREFIX or S3_MANIFEST in its place, and ORDER=object"
        )
    if config.spec.order is not FileOrder.OBJECT:
        raise ConfigError(
            "--workers is for a set whose files are jobs of their own: set ORDER=object too, or "
            "leave --workers out"
        )
    if config.create_table:
        open_store(config.checkpoint).create()
    workers = [_start(n, settings, log_level, view is not None) for n in range(1, count + 1)]
    try:
        _watch(workers, stop_signal, view, config)
    finally:
        for worker in workers:
            if worker.is_alive:
                worker.process.terminate()
    _judge(workers, stop_signal())


def _start(number: int, settings: Mapping[str, str], log_level: str, piped: bool) -> Worker:
    context = multiprocessing.get_context("spawn")
    ended, ends = context.Pipe(duplex=False)
    output, writes = context.Pipe(duplex=False) if piped else (None, None)
    shown = context.RawArray(c_longlong, 2)
    arguments = (dict(settings), log_level, shown, ends, writes)
    process = context.Process(target=work, args=arguments, name=f"csvkafka-worker-{number}")
    process.start()
    ends.close()
    if writes is not None:
        writes.close()
    return Worker(number, process, ended, output, shown)


def _watch(
    workers: Sequence[Worker],
    stop_signal: Callable[[], int | None],
    view: LoadView | None,
    config: LoadConfig,
) -> None:
    """Returns when all have ended."""
    shown = None
    if view is not None:
        shown = SetProgress(config, view, [worker.shown for worker in workers])
    handed_on = False
    while any(worker.ending is None for worker in workers):
        wait(_news_of(workers), LOOK_SECONDS)
        if stop_signal() is not None and not handed_on:
            handed_on = True
            for worker in workers:
                worker.process.terminate()
        for worker in workers:
            _read_output(worker, view)
            if worker.ending is None and not worker.is_alive:
                _note_ending(worker, workers)
        if shown is not None and not handed_on:
            shown.show()


def _news_of(workers: Sequence[Worker]) -> list[Any]:
    living = [worker.process.sentinel for worker in workers if worker.ending is None]
    return [*living, *(worker.output for worker in workers if worker.output is not None)]


def _read_output(worker: Worker, view: LoadView | None) -> None:
    """Shows the lines that a worker wrote."""
    while worker.output is not None and view is not None and worker.output.poll():
        try:
            view.say(worker.output.recv())
        except (EOFError, OSError):
            worker.output.close()
            worker.output = None


def _note_ending(worker: Worker, workers: Sequence[Worker]) -> None:
    worker.process.join()
    worker.ending = Ending(plain=worker.process.exitcode or 0)
    with contextlib.suppress(EOFError, OSError):
        if worker.ended.poll():
            worker.ending = worker.ended.recv()
    worker.ended.close()
    others = sum(other.ending is None for other in workers)
    if worker.ending.plain < 0 and others:
        log.warning(
            "Worker %d was ended by signal %d; the others go on with its file (%d of %d)",
            worker.number,
            -worker.ending.plain,
            others,
            len(workers),
        )
    elif worker.ending.error not in ("", "FilesFailedError", "StoppedError") and others:
        log.warning(
            "Worker %d ended, the others go on: %s: %s",
            worker.number,
            worker.ending.error,
            worker.ending.message,
        )


def _judge(workers: Sequence[Worker], stopped_by: int | None) -> None:
    """What the ends of all workers mean: one ends with 0 only if all files are loaded."""
    endings = [worker.ending for worker in workers if worker.ending is not None]
    if any(ending == Ending() for ending in endings):
        return
    if stopped_by is not None:
        raise StoppedError(stopped_by)
    failed = [ending for ending in endings if ending.error == FilesFailedError.__name__]
    if failed:
        raise FilesFailedError(failed[0].message)
    said = [ending for ending in endings if ending.error]
    if said:
        error = WorkersEndedError(
            f"none of {len(workers)} worker processes has completed the set, for {said[0].error}: "
            f"{said[0].message.rstrip('.')}; repair that, and run the same command again"
        )
        error.detailed_exit_code = said[0].detailed
        raise error
    how = ", ".join(sorted({str(-ending.plain) for ending in endings}))
    raise WorkersEndedError(
        f"all {len(workers)} worker processes ended by signal {how}, most likely killed for their "
        "memory; what was acknowledged is in the checkpoint: run the same command again, with "
        "fewer --workers"
    )


# -- in the worker's process -------------------------------------------------------------------


def work(
    settings: dict[str, str],
    log_level: str,
    shown: Array[c_longlong],
    ends: Connection,
    output: Connection | None,
) -> None:
    """What each process runs."""
    os.setpgid(0, 0)  # what the terminal sends, the parent hands on
    parent = os.getppid()
    with StopSignals() as signals:
        configure_logging(log_level)
        if output is not None:
            logging.getLogger().handlers = [_ToParent(output)]
        ending = _load(settings, shown, lambda: signals.requested() or _orphaned(parent))
    with contextlib.suppress(OSError):
        ends.send(ending)
    let_go_of_output()
    raise SystemExit(ending.plain)


def _orphaned(parent: int) -> int | None:
    return None if os.getppid() == parent else signal.SIGTERM


def _load(
    settings: Mapping[str, str], shown: Array[c_longlong], stop_signal: Callable[[], int | None]
) -> Ending:
    from csvkafka.wiring import run_load

    try:
        config = LoadConfig.from_settings(settings)
        run_load(config, observer=_Shown(shown), stop_signal=stop_signal)
    except CsvKafkaError as error:
        name = type(error).__name__
        return Ending(error.exit_code, error.detailed_exit_code, name, str(error))
    except Exception as error:
        log.exception("This is a defect of csvkafka; please report it with this log")
        detailed = exit_code(error, detailed=True)
        said = f"{error}: this is a defect of csvkafka, please report it with the log"
        return Ending(1, detailed, type(error).__name__, said)
    return Ending()


class _Shown:
    """Notes where the worker is in its file, for the parent to show."""

    def __init__(self, shown: Array[c_longlong]) -> None:
        self._shown = shown

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if "file_rows" in facts:
            self._shown[0], self._shown[1] = facts["file_rows"], facts["file_bytes"]
        elif step in (Step.FILE_MARKED, Step.FILE_FAILED):
            self._shown[0] = self._shown[1] = 0


class _ToParent(logging.Handler):
    """Sends log lines to the parent, which shows them above its progress."""

    def __init__(self, output: Connection) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(logging.getLogger().handlers[0].formatter)

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith("Progress:"):
            with contextlib.suppress(OSError, ValueError):
                self._output.send(self.format(record))
