"""The questions of `probe`, each with what its answers mean for a load. Pure.

A case sends one-record batches by a producer id of its own, so that no case disturbs another. Each
step has one answer, a text: `STORED`, `RECOGNISED`, `EMPTIED`, `UNKNOWN`, what `known` says, or
Kafka's name of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

STORED = "stored"
RECOGNISED = "recognised"
EMPTIED = "emptied"
UNKNOWN = "unknown"
NOT_THERE = "UNSUPPORTED_VERSION"

_KNOWN_REPEAT = (RECOGNISED, "DUPLICATE_SEQUENCE_NUMBER")
_OUT_OF_ORDER = "OUT_OF_ORDER_SEQUENCE_NUMBER"


def known(epoch: int, last_sequence: int) -> str:
    """The answer of DescribeProducers about a producer id that the leader knows."""
    return f"known (epoch {epoch}, last {last_sequence})"


@dataclass(frozen=True, slots=True)
class Send:
    """A batch of one record under this epoch, with this sequence number."""

    sequence: int
    epoch: int = 0


class Ask(StrEnum):
    """A step that sends no batch."""

    DELETE_RECORDS = "DeleteRecords"
    DESCRIBE_PRODUCERS = "DescribeProducers"


class Place(StrEnum):
    """The partition that a case needs."""

    WRITTEN = "holds records"
    EMPTY = "holds no record"
    NEVER_WRITTEN = "never held a record"


class Verdict(StrEnum):
    """What a case says about a load on this server."""

    OK = "ok"
    WARNING = "warning"
    REFUSED = "refused"  # the promise would not hold
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the answers mean for a load, in a sentence."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """One question. `judge` gets an answer for each step."""

    name: str
    steps: tuple[Send | Ask, ...]
    judge: Callable[[Sequence[str]], Meaning]
    place: Place = Place.WRITTEN

    @property
    def sent(self) -> str:
        """What is sent: sequence numbers, by epoch if there are several, and requests by name."""
        epochs = {step.epoch for step in self.steps if isinstance(step, Send)}
        text, last_epoch = "", 0 if len(epochs) < 2 else -1
        for step in self.steps:
            if isinstance(step, Ask):
                text += f", {step}"
            elif step.epoch == last_epoch:
                text += f", {step.sequence}"
            else:
                text += f"; epoch {step.epoch}: {step.sequence}"
                last_epoch = step.epoch
        return text[2:]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What a server answered to one case, and what that means for a load."""

    case: str
    sent: str
    answer: str
    verdict: Verdict
    meaning: str


def result(case: Case, answers: Sequence[str]) -> CaseResult:
    """The case with its answers, judged."""
    if case.steps[0] == Send(0) and answers[0] != STORED:
        meaning = Meaning(Verdict.REFUSED, "A producer's first batch is not taken; no load begins.")
    elif any(STORED in answer and answer != STORED for answer in answers):
        meaning = Meaning(Verdict.REFUSED, "A batch is refused and stored all the same.")
    else:
        meaning = case.judge(answers)
    return CaseResult(case.name, case.sent, _text(answers), meaning.verdict, meaning.text)


def skipped(case: Case, why: str) -> CaseResult:
    """The case, not asked."""
    return CaseResult(case.name, case.sent, "", Verdict.SKIPPED, why)


def _text(answers: Sequence[str]) -> str:
    """The answers; three and more of a kind are counted."""
    parts: list[str] = []
    for answer, run in groupby(answers):
        same = list(run)
        parts += same if len(same) < 3 else [f"{answer} x {len(same)}"]
    return ", ".join(parts)


# What each case means


def _repeat(answers: Sequence[str]) -> Meaning:
    if answers[-1] == STORED:
        return Meaning(Verdict.REFUSED, "Rows could be repeated after a failure.")
    if answers[-1] not in _KNOWN_REPEAT:
        return Meaning(
            Verdict.REFUSED, "A batch that is sent again is refused and not known by its number."
        )
    return Meaning(Verdict.OK, "A batch that is sent again is known, and not stored twice.")


def _late_repeat(answers: Sequence[str]) -> Meaning:
    if answers[-1] == STORED:
        return Meaning(Verdict.REFUSED, "Rows could be repeated by a request that comes late.")
    return Meaning(Verdict.OK, "A request that comes late, after five others, repeats nothing.")


def _gap(answers: Sequence[str]) -> Meaning:
    if answers[-1] == STORED:
        return Meaning(Verdict.REFUSED, "Rows could be passed over, or change their order.")
    if answers[-1] != _OUT_OF_ORDER:
        return Meaning(
            Verdict.WARNING, "A batch before its turn is refused by another name: a load stops."
        )
    return Meaning(Verdict.OK, "A batch before its turn is refused: rows keep their order.")


def _new_epoch(answers: Sequence[str]) -> Meaning:
    if answers[2] != STORED:
        return Meaning(Verdict.WARNING, "A producer can take no new epoch.")
    if answers[3] not in _KNOWN_REPEAT:
        return Meaning(Verdict.REFUSED, "Rows could be repeated under a new epoch.")
    return Meaning(Verdict.OK, "A producer can take a new epoch, and repeats in it are known.")


def _new_epoch_elsewhere(answers: Sequence[str]) -> Meaning:
    if answers[1] == STORED:
        return Meaning(
            Verdict.WARNING, "A new epoch is taken from any number: a gap at its start goes unseen."
        )
    return Meaning(Verdict.OK, "A new epoch begins at 0 or not at all.")


def _old_epoch(answers: Sequence[str]) -> Meaning:
    if answers[1] != STORED:
        return Meaning(Verdict.WARNING, "No new epoch is taken, so no worker of an old one is cut.")
    if STORED in answers[2:]:
        return Meaning(
            Verdict.WARNING, "Epochs are not kept: a zombie of an old one could repeat rows."
        )
    return Meaning(Verdict.OK, "A zombie of an old epoch is refused, whatever it sends.")


def _unknown_producer(answers: Sequence[str]) -> Meaning:
    if answers[0] == STORED:
        return Meaning(
            Verdict.OK, "A job that the broker has forgotten goes on; so would a zombie of it."
        )
    return Meaning(
        Verdict.WARNING, "A job that the broker has forgotten can go on by a new epoch only."
    )


def _new_epoch_of_unknown(answers: Sequence[str]) -> Meaning:
    if answers[0] != STORED:
        return Meaning(
            Verdict.WARNING, "A job that the broker has forgotten can take no new epoch."
        )
    if answers[1] not in _KNOWN_REPEAT:
        return Meaning(Verdict.REFUSED, "Rows could be repeated under a new epoch.")
    if answers[2] == STORED:
        return Meaning(
            Verdict.WARNING, "Epochs are not kept: a zombie of a forgotten job could repeat rows."
        )
    return Meaning(
        Verdict.OK, "A job that the broker has forgotten takes a new epoch, and no zombie is heard."
    )


def _emptied(answers: Sequence[str]) -> Meaning:
    if answers[2] == STORED:
        return Meaning(
            Verdict.WARNING, "Where retention leaves no record, a late request repeats rows."
        )
    if answers[3] != STORED:
        return Meaning(
            Verdict.WARNING, "Where retention leaves no record, a job cannot send its next batch."
        )
    return Meaning(Verdict.OK, "Where retention leaves no record, the producer is still known.")


def _never_written(answers: Sequence[str]) -> Meaning:
    if answers[0] == STORED:
        return Meaning(Verdict.OK, "Any first number is taken; a load begins at 0.")
    return Meaning(Verdict.OK, "Only 0 is taken, and a load begins there.")


def _describe(answers: Sequence[str]) -> Meaning:
    asked = answers[-1]
    if asked == NOT_THERE:
        return Meaning(
            Verdict.WARNING,
            "Whether the leader knows a job cannot be asked (Kafka: from 2.8 on); its first batch "
            "tells.",
        )
    if "AUTHORIZATION" in asked:
        return Meaning(
            Verdict.WARNING,
            "Whether the leader knows a job may not be asked, and its first batch tells; grant "
            "READ on the topic.",
        )
    if answers != [UNKNOWN, STORED, STORED, known(0, 1)]:
        return Meaning(Verdict.WARNING, "The answer about a job is not what was sent.")
    return Meaning(Verdict.OK, "Whether the leader knows a job, and its last number, can be asked.")


CASES = (
    Case("repeat", (Send(0), Send(0)), _repeat),
    Case("late-repeat", (*map(Send, range(7)), Send(0)), _late_repeat),
    Case("gap", (Send(0), Send(5)), _gap),
    Case("new-epoch", (Send(0), Send(1), Send(0, 1), Send(0, 1)), _new_epoch),
    Case("new-epoch-not-from-0", (Send(0), Send(1, 1)), _new_epoch_elsewhere),
    Case("old-epoch", (Send(0), Send(0, 1), Send(1), Send(0)), _old_epoch),
    Case("unknown-producer", (Send(5),), _unknown_producer),
    Case("unknown-producer-new-epoch", (Send(0, 1), Send(0, 1), Send(1)), _new_epoch_of_unknown),
    Case(
        "emptied-partition",
        (Send(0), Ask.DELETE_RECORDS, Send(0), Send(1), Ask.DELETE_RECORDS),
        _emptied,
        Place.EMPTY,
    ),
    Case("never-written-partition", (Send(5),), _never_written, Place.NEVER_WRITTEN),
    Case(
        "describe-producers",
        (Ask.DESCRIBE_PRODUCERS, Send(0), Send(1), Ask.DESCRIBE_PRODUCERS),
        _describe,
    ),
)
"""`repeat` is the first: it leaves a record in the partition where the others need one."""
