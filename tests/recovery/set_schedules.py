"""Schedules of the simulator for sets of files, which recovery and planted bugs share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from csvkafka.model import FileOrder
from csvkafka.testing.simulator.schedule import Schedule

RANDOM_SCHEDULES = int(os.environ.get("CSVKAFKA_SCHEDULES", "2000")) // 10

IN_ORDER = Schedule(row_count=24, file_count=5)
TINY = replace(IN_ORDER, row_count=9, file_count=7)
"""So small that rows of two or three files make one batch."""

BY_FILE = replace(IN_ORDER, order=FileOrder.OBJECT)
BY_THREE = replace(BY_FILE, workers=3)


def drawn(base: Schedule, seed: int) -> Iterator[Schedule]:
    """Random ones from that seed on, of one to six files, in that order by so many workers."""
    for number in range(seed, seed + RANDOM_SCHEDULES):
        yield replace(
            Schedule.drawn(number),
            file_count=1 + number % 6,
            order=base.order,
            workers=base.workers,
        )
