"""What a check of `csvkafka doctor` is, and what it may find.

A check is a small function: it looks at one thing and yields what it found. It leaves what later
checks need (the object's identity, the open client) in the `Examination`. An error of ours ends
only its own check, so a part that fails does not hide what is wrong with the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from csvkafka.errors import ANOTHER_JOB, CsvKafkaError, with_the_same_job

if TYPE_CHECKING:
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.job.definition import JobSpec
    from csvkafka.job.file_set import FileSet
    from csvkafka.kafka.client import KafkaClient
    from csvkafka.kafka.probe_cases import CaseResult
    from csvkafka.model import EncodePlan, Lane, SourceIdentity, TopicFacts
    from csvkafka.rows.blocks import Header
    from csvkafka.rows.preview import Preview


class Mark(StrEnum):
    """How good a finding is. SKIPPED: it was not looked at."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `part` of the load, `text` what was found there, `how` it was found out; `case` is
    what a probe of the broker was answered."""

    mark: Mark
    part: str
    text: str
    how: str = ""
    case: CaseResult | None = None


@dataclass(slots=True)
class Examination:
    """What is examined, and what the checks so far have learned; None and empty: not yet known."""

    config: LoadConfig
    probe_topic: str | None = None
    spec: JobSpec = field(init=False)
    """What the job is; as it was begun, once that is known."""
    source: SourceIdentity | None = None
    file_set: FileSet | None = None
    """The source once more, if it is a set."""
    look: Preview | None = None
    table_answers: bool = False
    table_is_to_come: bool = False
    kafka: KafkaClient | None = None
    """Connected."""
    facts: dict[str, TopicFacts] = field(default_factory=dict)
    """By topic."""
    begun: bool = False
    """The job has an item already: what refuses only the beginning of a job does not concern it."""

    def __post_init__(self) -> None:
        self.spec = self.config.spec

    def plan(
        self, source_uri: str, lanes: Sequence[Lane], spec: JobSpec | None = None
    ) -> EncodePlan:
        """How rows of the header would become batches, by `spec` if that is another one."""
        from csvkafka.job.preflight import batch_bytes
        from csvkafka.job.size_limit import with_size_limit

        assert self.header is not None
        spec = spec or self.spec
        taken = batch_bytes(spec, self.facts)
        if not self.begun:
            spec = with_size_limit(spec, taken.rows)
        return spec.plan(self.header.names, source_uri, lanes, taken.rows, taken.letters)

    @property
    def header(self) -> Header | None:
        return None if self.look is None else self.look.header

    def remedied(self, message: str) -> str:
        """An error's message, with the remedy that a load would name: another job, only if this one
        may have sent a row."""
        if ANOTHER_JOB not in message or self._may_have_sent_rows():
            return message
        return with_the_same_job(message)

    def _may_have_sent_rows(self) -> bool:
        """By the job's item; True too where the table does not tell."""
        from csvkafka.job.same_job import has_promised_nothing
        from csvkafka.ledger.item import decode, is_documented_only
        from csvkafka.stores import open_store

        try:
            item = open_store(self.config.checkpoint).item(self.config.spec.job_id).get()
            if item is None:
                return False
            return is_documented_only(item) or not has_promised_nothing(decode(item))
        except CsvKafkaError:
            return True

    def close(self) -> None:
        """Drops the connections."""
        if self.kafka is not None:
            self.kafka.close()


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `part` is that of a finding that its error becomes."""

    part: str
    run: Callable[[Examination], Iterator[Finding]]


def examine(examination: Examination, checks: Iterable[Check]) -> Iterator[Finding]:
    """The findings of all checks, one after the other."""
    for check in checks:
        try:
            yield from check.run(examination)
        except CsvKafkaError as error:
            yield Finding(Mark.ERROR, check.part, examination.remedied(str(error)))
