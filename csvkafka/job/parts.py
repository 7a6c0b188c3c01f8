"""What a run of a job works with, passed in by whoever runs it; and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from csvkafka.clock import Clock
from csvkafka.errors import StoppedError, counted
from csvkafka.interfaces import BlockFeed, Cluster, Observer, SchemaRegistry, Sink, Source
from csvkafka.job.file_set import FileSet
from csvkafka.job.letters import Letters
from csvkafka.ledger.ledger import JobLedger
from csvkafka.model import EncodePlan, Lane, Position
from csvkafka.pipeline.bad_row_limit import BadRowLimit
from csvkafka.pipeline.sequencer import Seal
from csvkafka.pipeline.settings import PipelineSettings
from csvkafka.records import record_batch
from csvkafka.retry import until_table_answers

T = TypeVar("T")


class OwnedByAnother(Exception):
    """Another worker has the lease of a job that nobody waits for, or the file is skipped."""


RowSender = Callable[[dict[str | None, object], int], bool]
"""(row as csv.DictReader gives it, source_line) -> whether it is in the topic for certain."""


@dataclass(frozen=True, slots=True)
class JobParts:
    """What a run works with. `open_feed(position, plan, skip, wake)` encodes from there on;
    `store` carries the writes to the item; `send_row` replaces batches where a subclass sends.
    `file_set` is the source once more, if that is a set, and `letters` if it is dead letters;
    `before_item` is called before the job's item is created, and may be called again. `registry`
    has the schemas that records name, if they name any. Where the run does not `wait`, it raises
    OwnedByAnother if another worker has the lease. `said` holds the warnings that need not be said
    again."""

    source: Source
    cluster: Cluster
    ledger: JobLedger
    open_sink: Callable[[Sequence[Lane], Mapping[str, str]], Sink]
    open_feed: Callable[[Position, EncodePlan, Sequence[int], Callable[[], None]], BlockFeed]
    store: Executor
    clock: Clock
    observer: Observer
    stop_signal: Callable[[], int | None]
    seal: Seal = record_batch.seal
    send_row: RowSender | None = None
    file_set: FileSet | None = None
    letters: Letters | None = None
    before_item: Callable[[], object] = lambda: None
    registry: SchemaRegistry | None = None
    settings: PipelineSettings = field(default_factory=PipelineSettings)
    bad_row_limit: BadRowLimit = BadRowLimit()  # noqa: RUF009 - frozen
    waits: bool = True
    said: set[str] = field(default_factory=set)

    def raise_if_stopped(self) -> None:
        """Raises StoppedError once a signal asked to stop."""
        signal_number = self.stop_signal()
        if signal_number is not None:
            raise StoppedError(signal_number)

    def ask_table(self, ask: Callable[[], T]) -> T:
        """One question to the table, or one conditional write that may safely be done twice, asked
        with patience (`retry.until_table_answers`)."""
        return until_table_answers(ask, self.clock, self.raise_if_stopped)


@dataclass(frozen=True, slots=True)
class JobResult:
    """`row_count` rows of the source are loaded, as `total_sent` records (fewer, if the table drops
    rows), of which this run
    sent `sent_now`. `already_complete`: there was nothing left to do. Of a set, `files_skipped` are
    left out: `row_count` has what was sent of them before. `set_aside` of the rows are dead
    letters."""

    row_count: int
    total_sent: int
    sent_now: int
    already_complete: bool = False
    files_skipped: int = 0
    set_aside: int = 0


def not_in_topic(dropped: int, set_aside: int, dead_letter_topic: str | None) -> str:
    """What the line of a complete job says of rows that KAFKA_TOPIC does not have; begins with a
    comma, if there are any."""
    return "".join(
        (
            f", {counted(dropped, 'row')} dropped" if dropped else "",
            f", {counted(set_aside, 'row')} set aside in topic {dead_letter_topic}"
            if set_aside
            else "",
        )
    )
