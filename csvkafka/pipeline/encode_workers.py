"""Processes that encode blocks beside the loader, for more than the one core that Python gives.

They are started fresh (spawn), ignore the terminal's Ctrl-C, and end with their parent, however
that ends. One that dies breaks the pool, and the run with it; the next start resumes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor


def start_encode_workers(count: int) -> ProcessPoolExecutor:
    """A pool of `count` processes for `encoder.encode_block`. Memory: about 60 MB each."""
    return ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare
    )


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
