"""The simulator: schedules by the thousand, each run and judged; a failure is shrunk and replayed.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from csvkafka.model import Step
from csvkafka.testing.schedule import AT_POINTS, CRASHES, Fault, Schedule
from csvkafka.testing.simulation import Simulation
from csvkafka.testing.simulation_judge import judge, violations

Judge = Callable[[Schedule], list[str]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A schedule after which something is wrong, with as few faults as still show it."""

    schedule: Schedule
    violations: list[str]

    def __str__(self) -> str:
        lines = "\n".join(f"  {violation}" for violation in self.violations)
        return f"{lines}\n  replay with: {self.schedule.command}"


def first_failure(schedules: Iterable[Schedule], judged_by: Judge = violations) -> Failure | None:
    """Runs one schedule after the other until one fails, and shrinks that."""
    for schedule in schedules:
        found = judged_by(schedule)
        if found:
            return shrink(Failure(schedule, found), judged_by)
    return None


def shrink(failure: Failure, judged_by: Judge = violations) -> Failure:
    """Leaves out faults one by one, and rows and lanes, while it still fails."""
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(failure.schedule):
            found = judged_by(smaller)
            if found:
                failure, changed = Failure(smaller, found), True
                break
    return failure


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    for index in range(len(schedule.faults)):
        faults = schedule.faults[:index] + schedule.faults[index + 1 :]
        yield replace(schedule, faults=faults)
    if schedule.lane_count > 1:
        yield replace(schedule, lane_count=schedule.lane_count - 1)
    if schedule.row_count > 1:
        yield replace(schedule, row_count=schedule.row_count // 2)


def points_of(schedule: Schedule, life: int) -> list[tuple[str, int]]:
    """The points that this life comes to, in order."""
    simulation = Simulation(schedule)
    simulation.run()
    points = []
    for text in simulation.trace:
        number, _, rest = text.partition("/")
        if int(number) == life:
            point, _, nth = rest.partition("#")
            points.append((point, int(nth)))
    return points


def every_crash(base: Schedule, actions: Sequence[str]) -> Iterator[Schedule]:
    """Each point of a run without faults, with each of these crashes."""
    for point, nth in points_of(base, 1):
        for action in actions:
            yield replace(base, faults=(Fault(1, point, nth, action),))


def every_pair(base: Schedule, first: str, second: str) -> Iterator[Schedule]:
    """Each point of a run, and for each of them each point of the life that follows."""
    for once in every_crash(base, (first,)):
        for point, nth in points_of(once, 2):
            yield replace(once, faults=(*once.faults, Fault(2, point, nth, second)))


def every_pause(base: Schedule, action: str, seconds: int) -> Iterator[Schedule]:
    """Each point of a run, with a pause that outlasts the lease: the second life completes the job
    meanwhile, and then the brokers forget the producer id (F22)."""
    for point, nth in points_of(base, 1):
        forgotten = Fault(2, Step.COMPLETED, 1, "expire")
        yield replace(base, faults=(Fault(1, point, nth, action, seconds), forgotten))


def every_fault_of_the_fakes(base: Schedule) -> Iterator[Schedule]:
    """Each action that the fakes know, at each of its points."""
    for point, nth in points_of(base, 1):
        for action in AT_POINTS.get(point, ()):
            yield replace(base, faults=(Fault(1, point, nth, action),))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        return _replay(options)
    if options.every_crash:
        base = Schedule(row_count=options.rows, lane_count=options.lanes)
        schedules: Iterable[Schedule] = _all_crashes(base)
    else:
        seeds = options.seeds or _new_seeds(1000)
        print(f"seeds {seeds[0]}-{seeds[-1]}")  # noqa: T201
        schedules = map(Schedule.drawn, seeds)
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
    schedule = Schedule.drawn(options.seed)
    if options.fault or options.no_fault:
        faults = tuple(map(Fault.parse, options.fault))
        schedule = Schedule(
            options.seed, options.rows, options.lanes, not options.other_host, faults
        )
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
    parser.add_argument("--other-host", action="store_true", help="nobody is known to be dead")
    parser.add_argument(
        "--fault", action="append", default=[], help="LIFE/POINT#NTH=ACTION in place of the seed's"
    )
    parser.add_argument("--no-fault", action="store_true", help="replay without any fault")
    parser.add_argument("--every-crash", action="store_true", help="each crash point, each pair")
    return parser


if __name__ == "__main__":
    sys.exit(main())
