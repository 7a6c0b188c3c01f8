"""Time for records and leases: steps of the wall clock do not reach either."""

from __future__ import annotations

import time

import pytest

from csvkafka.clock import InterruptibleClock, SystemClock


@pytest.mark.parametrize("jump_seconds", [3600.0, -3600.0, 172_800.0, -172_800.0])
def test_f94_a_jump_of_the_wall_clock_is_not_seen(
    monkeypatch: pytest.MonkeyPatch, jump_seconds: float
) -> None:
    clock = SystemClock()
    before = clock.wall(), clock.monotonic(), clock.boottime()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_seconds)
    after = clock.wall(), clock.monotonic(), clock.boottime()
    for earlier, later in zip(before, after, strict=True):
        assert 0 <= later - earlier < 60


def test_a_sleep_ends_when_it_is_interrupted() -> None:
    looks = 0

    def interrupt() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise InterruptedError

    clock = InterruptibleClock(interrupt)
    begun = time.monotonic()
    with pytest.raises(InterruptedError):
        clock.sleep(60.0)
    assert time.monotonic() - begun < 30
