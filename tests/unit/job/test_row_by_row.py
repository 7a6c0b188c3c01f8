"""An own `_send_to_kafka` is not waited for for ever when a stop is asked for."""

from __future__ import annotations

import threading
import time

import pytest

from csvkafka.errors import StoppedError
from csvkafka.job.row_by_row import never_stop, stoppable

ROW: dict[str | None, object] = {"id": "1"}


def test_rows_are_sent_in_one_thread_of_their_own_and_errors_come_back() -> None:
    threads = set()

    def send(row: dict[str | None, object], line: int) -> bool:
        threads.add(threading.get_ident())
        if line == 3:
            raise TimeoutError("its own")
        return row == ROW and line == 1

    with stoppable(send, lambda: None) as sender:
        assert sender is not None
        assert sender(ROW, 1) is True
        assert sender(ROW, 2) is False
        with pytest.raises(TimeoutError, match="its own"):
            sender(ROW, 3)
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_without_anything_that_stops_it_is_called_as_it_is() -> None:
    def send(_: dict[str | None, object], line: int) -> bool:
        return line == 1

    with stoppable(send, never_stop) as sender:
        assert sender is send
    with stoppable(None, never_stop) as sender:
        assert sender is None


def test_a_row_that_is_sent_within_the_grace_counts_although_a_stop_was_asked_for() -> None:
    def send(_: dict[str | None, object], _line: int) -> bool:
        time.sleep(0.3)
        return True

    with stoppable(send, lambda: 15, grace_seconds=30) as sender:
        assert sender is not None
        assert sender(ROW, 1) is True


def test_one_that_takes_longer_is_left_behind() -> None:
    let_go = threading.Event()

    def send(_: dict[str | None, object], _line: int) -> bool:
        return let_go.wait(60)

    began = time.monotonic()
    with stoppable(send, lambda: 15, grace_seconds=0.2) as sender:
        assert sender is not None
        with pytest.raises(StoppedError) as caught:
            sender(ROW, 1)
    assert caught.value.exit_code == 143
    assert time.monotonic() - began < 10
    let_go.set()
