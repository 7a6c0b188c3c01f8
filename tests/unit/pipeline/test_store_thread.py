"""Writes one after the other, beside the caller; a hanging one does not keep the process alive."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from csvkafka.pipeline.store_thread import StoreThread

HANGS = """
import time
from csvkafka.pipeline.store_thread import StoreThread
StoreThread().submit(time.sleep, 300)
"""


def test_calls_run_in_order_in_another_thread() -> None:
    store = StoreThread()
    seen: list[tuple[int, int]] = []
    futures = [store.submit(lambda n=n: seen.append((n, threading.get_ident()))) for n in range(5)]  # type: ignore[misc]
    for future in futures:
        future.result(timeout=60)
    assert [number for number, _ in seen] == [0, 1, 2, 3, 4]
    assert {thread for _, thread in seen} != {threading.get_ident()}
    store.shutdown()


def test_an_error_reaches_whoever_waits_and_the_next_call_runs() -> None:
    store = StoreThread()
    with pytest.raises(ZeroDivisionError):
        store.submit(lambda: 1 // 0).result(timeout=60)
    assert store.submit(lambda: 7).result(timeout=60) == 7
    store.shutdown()


def test_a_call_that_hangs_does_not_keep_the_process_from_ending() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", HANGS], timeout=120, check=False)
    assert done.returncode == 0
