"""Runs schedules until one fails, and shrinks it to as few faults as still show the failure.

Which schedules: drawn from seeds, or each crash point of a run, each pair of them, each pause, each
action of the fakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from csvkafka.model import Step
from csvkafka.testing.simulator.schedule import AT_POINTS, CRASHES, HELD, Fault, Schedule
from csvkafka.testing.simulator.simulation import Moment, Simulation
from csvkafka.testing.simulator.simulation_judge import violations

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
    return [(point, nth) for point, nth, _ in points_with_moments(schedule, life)]


def points_with_moments(schedule: Schedule, life: int) -> list[tuple[str, int, Moment]]:
    """The points that this life comes to, in order, and when it comes to each."""
    simulation = Simulation(schedule)
    moments: list[Moment] = []
    simulation.moments = moments
    simulation.run()
    points = []
    for text, moment in zip(simulation.trace, moments, strict=True):
        number, _, rest = text.partition("/")
        if int(number) == life:
            point, _, nth = rest.partition("#")
            points.append((point, int(nth), moment))
    return points


def points_for_a_fault(schedule: Schedule, life: int) -> list[tuple[str, int, Moment]]:
    """Those points, and when, but for such as have a fault of the schedule's own: a point meets one
    fault, and another one would take its place."""
    taken = {(fault.point, fault.nth) for fault in schedule.faults if fault.life == life}
    return [it for it in points_with_moments(schedule, life) if it[:2] not in taken]


OF_A_MOMENT = frozenset((*CRASHES, HELD, "release", "forget", "restart"))
"""What is the same at each point of one `Moment`. The worker's own steps from one of its points to
the next are seen by nobody: it dies as well before as after them, and what happens to the servers
meanwhile it does not see. (A test runs them all the same, and compares.)"""


def every_crash(base: Schedule, actions: Sequence[str], life: int = 1) -> Iterator[Schedule]:
    """Each point of that life in the run `base`, with each of these crashes (or other actions).

    Of the points of one moment only the first, for what is the same at each of them."""
    moments = set()
    for point, nth, moment in points_for_a_fault(base, life):
        for action in actions:
            if moment not in moments or action not in OF_A_MOMENT:
                yield replace(base, faults=(*base.faults, Fault(life, point, nth, action)))
        moments.add(moment)


def every_pair(base: Schedule, first: str, second: str) -> Iterator[Schedule]:
    """Each point of a run, and for each of them each point of the life that follows."""
    for once in every_crash(base, (first,)):
        yield from every_crash(once, (second,), life=2)


def forgotten(base: Schedule) -> Schedule:
    """The first life dies with batches on its way, and the brokers forget the producer id."""
    dies = Fault(1, "produce", 3, HELD)
    return replace(base, faults=(dies, Fault(2, Step.RUN_BEGINS, 1, "forget")))


def rested(base: Schedule) -> Schedule:
    """In the middle nothing is to be sent for so long that the brokers forget the producer id."""
    return replace(base, expiry=90, faults=(*base.faults, Fault(1, "block-ready", 3, "stall")))


def every_zombie_of_two_epochs(base: Schedule) -> Iterator[Schedule]:
    """The life after the forgotten one dies too, at each of its points, and is forgotten; and what
    both had sent arrives at each point of the life after that."""
    for twice in every_crash(forgotten(base), (HELD,), life=2):
        again = Fault(3, Step.RUN_BEGINS, 1, "forget")
        dead_twice = replace(twice, faults=(*twice.faults, again))
        yield from every_crash(dead_twice, ("release",), life=3)


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
