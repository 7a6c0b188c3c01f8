"""Processes that encode blocks beside the loader, for more than the one core that Python gives.

They are started fresh (spawn), ignore the terminal's Ctrl-C, and end with their parent or when they
are closed, however far they are with a block. One that dies breaks the pool, and the run with it;
the next start resumes.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait

from csvkafka.errors import ConfigError
from csvkafka.model import Transform


@contextmanager
def encode_workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` processes for `encoder.encode_block`, while it is entered. Memory: about
    60 MB each.

    They hold one end of a pipe; when the other end is closed, they end. The pool's own way to end
    would wait for what the workers do at that moment, such as a slow function of the user's."""
    theirs, ours = multiprocessing.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(theirs,),
    )
    try:
        yield pool
    finally:
        ours.close()
        theirs.close()
        pool.shutdown(wait=False, cancel_futures=True)


def check_portable(function: Transform) -> None:
    """Raises ConfigError for a function that cannot be passed to other processes: they find it by
    its module and its name there."""
    try:
        pickle.dumps(function)
    except Exception as error:
        raise ConfigError(
            f"the transform cannot be handed to ENCODE_WORKERS ({error}): define it at the top of "
            "a module, not as a lambda or inside of a function, or set ENCODE_WORKERS=0"
        ) from error


def _prepare(closed: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_when_closed, args=(closed,), daemon=True).start()


def _end_when_closed(closed: Connection) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([closed, parent.sentinel])
        os._exit(1)
