"""Judges any loader by what can be seen from outside: kills it, pauses it, runs it again, compares.

    with EmbeddedStack() as stack:
        judgement = judge(JudgePlan(LoaderCommand.parse("python my_loader.py")), stack)

Nothing is asked of the loader but that it loads one CSV (or a set of them) from S3 into one topic
(or into several, by a declared table with routes), and goes on when it is run again. It is struck
by the rows in the topics, the writes to the checkpoint table, and time (`strikes`). A loader that
ends with an error is run again too, as an orchestrator would; one that hangs, fails each time or
gets nowhere ends the judgement, and is never a pass.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from csvkafka.config.load_config import kafka_settings
from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.testing.checker.verdict import CheckpointObservation
from csvkafka.testing.faults.strikes import Action, StrikeWatch, plan_strikes
from csvkafka.testing.history import History
from csvkafka.testing.judging.job_view import JobView, LookRest, patient, table_item
from csvkafka.testing.judging.judged_source import JudgedSource
from csvkafka.testing.judging.judgement import Judgement, Life, compare, repeated_rows
from csvkafka.testing.judging.plan import JudgePlan, JudgeView, Unwatched
from csvkafka.testing.processes.loader_command import placeholder_values
from csvkafka.testing.processes.nursery import without_python
from csvkafka.testing.processes.supervisor import Incarnation, Supervisor

LOOK_SECONDS = 0.01
SETTLE_SECONDS = 0.1
AWAKE_SECONDS = 1.0
KILLED = -9

ENDLESS_FACTOR = 20
"""A loader that has sent this many times the rows of the file will not end."""


def judge(
    plan: JudgePlan,
    stack: Stack,
    *,
    view: JudgeView | None = None,
    history: History | None = None,
) -> Judgement:
    """Runs the loader on a source, a topic and a table of its own on the stack, and judges it.

    Raises StackError, ConfigError if rows do not fit the plan's table or records cannot be read,
    and RegistryError if the registry of the table's schemas cannot be asked."""
    with tempfile.TemporaryDirectory(prefix="csvkafka-judge-") as folder:
        trial = _Trial(plan, stack, view or Unwatched(), history or History(), Path(folder))
        try:
            trial.run()
        finally:
            trial.close()
        return trial.judgement()


@dataclass(slots=True)
class _Running:
    """An incarnation and what was seen of it."""

    incarnation: Incarnation
    began_at: dict[int, int]
    began_seconds: float
    end: str = ""
    seconds: float = 0.0
    first_row_seconds: float | None = None

    @property
    def rows_before(self) -> int:
        return sum(self.began_at.values())


@dataclass(slots=True)
class _Seen:
    """What is visible from outside, as of the last look."""

    records: int = 0
    writes: int = 0
    item: dict[str, Any] | None = None
    moved_at: float = field(default_factory=time.monotonic)


class _Trial:
    """One judgement on its way."""

    def __init__(
        self, plan: JudgePlan, stack: Stack, view: JudgeView, history: History, folder: Path
    ) -> None:
        self._plan = plan
        self._view = view
        self._history = history
        name = uuid4().hex[:12]
        bucket, topic, table = f"judge-{name}", f"judge-{name}", f"judge-{name}"
        declared = plan.table
        view.phase("writing the CSV", plan.csv.row_count)
        self._source = JudgedSource(plan, folder, bucket)
        self._due = self._source.record_count
        self._documented = {
            **stack.environment(),
            "AWS_ENDPOINT_URL": stack.aws_endpoint_url,
            **self._source.settings,
            "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "KAFKA_TOPIC": topic,
            "DYNAMODB_TABLE": table,
            "JOB_ID": f"judge-{name}",
            **({} if declared is None else declared.settings),
        }
        if declared is not None:
            declared.check_registry(self._documented)
        self._source.put(stack)
        stack.create_table(table)
        routed = () if declared is None else declared.routed_topics
        self._topics = (topic, *routed)
        for each in self._topics:
            stack.create_topic(each, plan.partitions)
        item = table_item(stack, table, self._documented["JOB_ID"])
        counts = dict.fromkeys(routed, plan.partitions)
        self._job = JobView(stack, item, topic, plan.partitions, counts)
        self._supervisor = Supervisor(history)
        loader_folder = self._supervisor.folder / "loader"
        loader_folder.mkdir()
        self._values = placeholder_values(self._documented, loader_folder)
        self._strikes = plan_strikes(self._due, plan.kills, plan.pauses, plan.seed)
        self._struck = {Action.KILL: 0, Action.PAUSE: 0}
        self._lives: list[_Running] = []
        self._paused: list[_Running] = []
        self._seen = _Seen()
        self._rest = LookRest(LOOK_SECONDS)
        self._checkpoints: list[CheckpointObservation] = []
        self._problems: list[str] = []
        self._notes: list[str] = []

    def close(self) -> None:
        """Kills what still runs."""
        self._supervisor.close()
        self._job.close()

    # -- incarnations --------------------------------------------------------------------------

    def run(self) -> None:
        """Runs the loader until it is done, or is given up."""
        self._view.phase("loading", self._due)
        failures = errors = 0
        while True:
            life = self._live()
            if life.end in ("exit 0", "hung", "endless"):
                break
            if life.end in ("killed", "paused"):
                failures = 0
                continue
            errors += 1
            brought_none = self._seen.records == life.rows_before
            failures = failures + 1 if brought_none else 0
            if failures == self._plan.failures or errors == self._plan.errors:
                often = (
                    f"{failures} times in a row without a new record"
                    if failures == self._plan.failures
                    else f"{errors} times"
                )
                self._problems.append(
                    f"the loader ended with an error {often} ({life.end}); its output ends:\n"
                    + self._tail(life)
                )
                break
        self._end_paused()
        if self._plan.run_again and not self._problems:
            self._strikes.clear()
            self._live()
            self._end_paused()
        self._look()

    def _live(self) -> _Running:
        """One incarnation, to its end, its kill, or its pause."""
        self._settle()
        life = _Running(self._started(), self._job.end_offsets(), time.monotonic())
        self._lives.append(life)
        self._seen.moved_at = time.monotonic()
        watch = StrikeWatch(self._strikes[0]) if self._strikes else None
        while not life.end:
            self._look(life)
            code = life.incarnation.return_code
            now = time.monotonic()
            if code is not None:
                self._note_end(life, f"exit {code}" if code >= 0 else f"signal {-code}")
            elif now - self._seen.moved_at > self._plan.stall_seconds:
                self._stalled(life)
            elif self._seen.records > ENDLESS_FACTOR * max(self._due, 1_000):
                life.incarnation.kill()
                self._note_end(life, "endless")
                self._problems.append(
                    f"the loader sends without end: {self._seen.records:,} records in the topic"
                )
            elif watch is not None and self._is_due(watch, life, now):
                self._strike(life, watch)
            self._wake_paused(life)
            time.sleep(self._rest.seconds)
        return life

    def _started(self) -> Incarnation:
        command, values = self._plan.command, self._values
        environment = command.environment(self._documented, values)
        program = command.python_program(values) if self._plan.forks else None
        if program is None:
            return self._supervisor.start(command.argv(values), environment)
        return self._supervisor.start_python(program, without_python(environment))

    def _is_due(self, watch: StrikeWatch, life: _Running, now: float) -> bool:
        seen = self._seen
        return watch.is_due(now, seen.records, seen.records - life.rows_before, seen.writes)

    def _strike(self, life: _Running, watch: StrikeWatch) -> None:
        action = self._strikes.pop(0).action
        if action is Action.PAUSE:
            life.incarnation.pause()
            self._paused.append(life)
            self._struck[action] += 1
            self._note_end(life, "paused", str(watch.strike))
        elif life.incarnation.kill() == KILLED:
            self._struck[action] += 1
            self._note_end(life, "killed", str(watch.strike))
        else:
            # It was done a moment before: this strike is spent, and did not hit.
            self._note_end(life, f"exit {life.incarnation.return_code}")

    def _stalled(self, life: _Running) -> None:
        if self._paused:
            self._notes.append(
                f"incarnation {life.incarnation.number} did not take over from a paused one within "
                f"{self._plan.stall_seconds:g} s"
            )
            self._seen.moved_at = time.monotonic()
            self._wake(self._paused)
            return
        life.incarnation.kill()
        self._note_end(life, "hung")
        self._problems.append(
            f"the loader hangs: no new record and no end for {self._plan.stall_seconds:g} s, with "
            f"{self._seen.records:,} records in the topic; its output ends:\n" + self._tail(life)
        )

    def _wake_paused(self, life: _Running) -> None:
        """A paused one goes on as soon as the one that took over has brought a record, or ended."""
        if self._paused and (life.end or self._seen.records > life.rows_before):
            self._wake([paused for paused in self._paused if paused is not life])

    def _wake(self, paused: list[_Running]) -> None:
        for zombie in list(paused):
            self._paused.remove(zombie)
            zombie.incarnation.resume()
            zombie.end = "paused, then woken"

    def _end_paused(self) -> None:
        """Waits until zombies have ended too, and nothing more comes."""
        self._wake(self._paused)
        self._seen.moved_at = time.monotonic()
        for life in self._lives:
            while life.incarnation.return_code is None:
                self._look()
                if time.monotonic() - self._seen.moved_at > self._plan.stall_seconds:
                    life.incarnation.kill()
                    life.end += ", then hung"
                time.sleep(self._rest.seconds)
            if life.end == "paused, then woken":
                life.end += f", exit {life.incarnation.return_code}"
        self._settle()

    def _note_end(self, life: _Running, end: str, why: str = "") -> None:
        life.end = end
        life.seconds = time.monotonic() - life.began_seconds
        if why:
            self._history.record("note", text=f"{why}; {self._seen.records:,} records then")
        self._view.say(
            f"incarnation {life.incarnation.number}: {end} after {life.seconds:.1f} s, "
            f"{self._seen.records:,} records in the topic" + (f" ({why})" if why else "")
        )

    def _alive(self) -> list[_Running]:
        """Incarnations that have not ended; asking is what notes an end in the history."""
        return [life for life in self._lives if life.incarnation.return_code is None]

    def _tail(self, life: _Running) -> str:
        return "\n".join(life.incarnation.output().splitlines()[-15:])

    # -- looking -------------------------------------------------------------------------------

    def _look(self, life: _Running | None = None) -> None:
        """One look at the item and then the topic: so an honest loader is never seen ahead."""
        self._alive()
        item = self._job.item()
        ends = self._job.end_offsets()
        now, seen = time.monotonic(), self._seen
        records = sum(ends.values())
        changed = records > seen.records or item != seen.item
        self._rest.looked(changed)
        seen.writes += item != seen.item
        seen.item = item
        if records > seen.records:
            seen.records, seen.moved_at = records, now
            self._view.reached(min(records, self._due))
        if life is not None and life.first_row_seconds is None and records > life.rows_before:
            life.first_row_seconds = now - life.began_seconds
        if not changed:
            return
        covered = (item or {}).get("last_line")
        last_line = covered if isinstance(covered, int) else 0
        if item is not None:
            self._checkpoints.append(CheckpointObservation(last_line, ends, now))
        self._history.record("checkpoint", last_line=last_line, end_offsets=ends)

    def _settle(self) -> None:
        """Returns when what a killed process had sent has arrived."""
        before = -1

        def stands_still() -> bool:
            nonlocal before
            self._look()
            previous, before = before, self._seen.records
            time.sleep(SETTLE_SECONDS)
            return previous == before

        # One that was paused may send for long yet; the others need not wait for it.
        awake = any(life not in self._paused for life in self._alive())
        wait_until(stands_still, AWAKE_SECONDS if awake else self._plan.stall_seconds)

    # -- the answer ----------------------------------------------------------------------------

    def judgement(self) -> Judgement:
        """Compares topic and source; after `run`."""
        plan, settings = self._plan, patient(kafka_settings(self._documented))
        expectation = self._source.expectation(self._documented)
        row_count = sum(1 for _ in self._source.rows())
        verdicts = {}
        for isolation in plan.isolations:
            self._view.phase(f"judging, as {isolation} readers see it", row_count)
            verdicts[isolation] = compare(
                settings,
                self._topics,
                self._source.rows(),
                expectation,
                isolation,
                self._checkpoints,
            )
        began_at = [life.began_at for life in self._lives]
        repeated = repeated_rows(settings, self._topics, self._source.rows(), expectation, began_at)
        return Judgement(
            command=str(plan.command),
            row_count=row_count,
            source_bytes=self._source.byte_count,
            seed=plan.seed,
            kills=self._struck[Action.KILL],
            pauses=self._struck[Action.PAUSE],
            lives=tuple(self._ended_lives(repeated)),
            verdicts=verdicts,
            problems=(*self._problems, *self._not_struck()),
            notes=tuple(self._notes),
        )

    def _ended_lives(self, repeated: list[int]) -> list[Life]:
        ends = [life.rows_before for life in self._lives[1:]] + [self._seen.records]
        return [
            Life(
                number=life.incarnation.number,
                end=life.end,
                rows_before=life.rows_before,
                rows_after=rows_after,
                rows_repeated=rows_repeated,
                seconds=life.seconds,
                first_row_seconds=life.first_row_seconds,
            )
            for life, rows_after, rows_repeated in zip(self._lives, ends, repeated, strict=True)
        ]

    def _not_struck(self) -> list[str]:
        """A loader that was not hit as planned has proven nothing, or less."""
        if self._problems:
            return []
        if self._seen.records == 0 and self._due > 0:
            return ["the loader ended without a single record in the topic"]
        planned, struck = self._plan.kills + self._plan.pauses, sum(self._struck.values())
        if struck == planned:
            return []
        hits = f"{struck} of {planned} planned kills and pauses hit the loader"
        if struck == 0:
            return [f"{hits}: it was done before, so nothing is proven; give it more rows"]
        self._notes.append(f"{hits}: it was done before the others; give it more rows")
        return []
