"""The simulator's command line: schedules by the thousand, each run and judged, or one replayed.

python -m csvkafka.testing.simulator                      # 1,000 new seeds
python -m csvkafka.testing.simulator --seeds 5000-9000
python -m csvkafka.testing.simulator --seed 17            # one, with all that happened
python -m csvkafka.testing.simulator --every-crash        # each crash point, and each pair
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from csvkafka.model import FileOrder
from csvkafka.testing.simulator.partition_log import BROKER, BROKERS
from csvkafka.testing.simulator.schedule import CRASHES, Fault, Schedule
from csvkafka.testing.simulator.search import Failure, every_crash, every_pair, first_failure
from csvkafka.testing.simulator.simulation import Simulation
from csvkafka.testing.simulator.simulation_judge import judge


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        return _replay(options)
    if options.every_crash:
        schedules: Iterable[Schedule] = _all_crashes(_base(options))
    else:
        seeds = options.seeds or _new_seeds(1000)
        print(f"seeds {seeds[0]}-{seeds[-1]}")  # noqa: T201
        schedules = (_of_set(Schedule.drawn(seed), options) for seed in seeds)
    counter = _Counter(schedules)
    failure = first_failure(counter)
    print(counter)  # noqa: T201
    if failure is not None:
        print(failure)  # noqa: T201
    return 0 if failure is None else 1


def _all_crashes(base: Schedule) -> Iterator[Schedule]:
    yield from every_crash(base, CRASHES)
    for first in CRASHES[:3]:
        for second in CRASHES[:3]:
            yield from every_pair(base, first, second)


class _Counter:
    """Counts the schedules that pass through, and says how fast."""

    def __init__(self, schedules: Iterable[Schedule]) -> None:
        self._schedules = schedules
        self._began = time.monotonic()
        self.count = 0

    def __iter__(self) -> Iterator[Schedule]:
        for schedule in self._schedules:
            self.count += 1
            yield schedule

    def __str__(self) -> str:
        seconds = time.monotonic() - self._began
        return f"{self.count} schedules in {seconds:.0f} s ({self.count * 60 / seconds:.0f}/min)"


def _replay(options: argparse.Namespace) -> int:
    schedule = _of_set(Schedule.drawn(options.seed), options)
    if options.fault or options.no_fault:
        faults = tuple(map(Fault.parse, options.fault))
        schedule = replace(_base(options), seed=options.seed, faults=faults)
    simulation = Simulation(schedule)
    simulation.run()
    for line in simulation.trace:
        print(line)  # noqa: T201
    for life in simulation.lives:
        ended = life.result or life.error or "crashed"
        print(f"life {life.number}: {ended!r}")  # noqa: T201
    failure = Failure(schedule, judge(simulation))
    print(failure if failure.violations else f"nothing is wrong with {schedule.command}")  # noqa: T201
    return 1 if failure.violations else 0


def _base(options: argparse.Namespace) -> Schedule:
    """A schedule without faults."""
    schedule = Schedule(
        row_count=options.rows,
        lane_count=options.lanes,
        same_host=not options.other_host,
        broker=options.broker,
        expiry=options.expiry,
    )
    return _of_set(schedule, options)


def _of_set(schedule: Schedule, options: argparse.Namespace) -> Schedule:
    """The schedule with the set that the options ask for."""
    return replace(
        schedule,
        file_count=options.files,
        order=FileOrder(options.order),
        workers=options.workers,
        routed=options.routed,
        large=options.large,
    )


def _new_seeds(count: int) -> range:
    first = secrets.randbelow(1 << 32)
    return range(first, first + count)


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m csvkafka.testing.simulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="replay this one, with all that happened")
    parser.add_argument("--seeds", type=_seeds, help="FIRST-LAST: run these")
    parser.add_argument("--rows", type=int, default=12, help="rows of the source (default: 12)")
    parser.add_argument("--lanes", type=int, default=1, help="partitions (default: 1)")
    parser.add_argument("--routed", action="store_true", help="each lane is in its own topic")
    parser.add_argument("--large", action="store_true", help="some records are too large")
    parser.add_argument("--other-host", action="store_true", help="nobody is known to be dead")
    parser.add_argument(
        "--broker", choices=BROKERS, default=BROKER, help=f"whose rules (default: {BROKER})"
    )
    parser.add_argument(
        "--expiry", type=int, default=0, help="seconds until a producer id is forgotten"
    )
    parser.add_argument("--files", type=int, default=0, help="a set of so many files (default: 0)")
    parser.add_argument(
        "--order", choices=list(FileOrder), default="set", help="in which order it is loaded"
    )
    parser.add_argument("--workers", type=int, default=1, help="begun at once (default: 1)")
    parser.add_argument(
        "--fault", action="append", default=[], help="LIFE/POINT#NTH=ACTION in place of the seed's"
    )
    parser.add_argument("--no-fault", action="store_true", help="replay without any fault")
    parser.add_argument("--every-crash", action="store_true", help="each crash point, each pair")
    return parser


if __name__ == "__main__":
    sys.exit(main())
