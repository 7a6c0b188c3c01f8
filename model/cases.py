"""What is asked of the model: what must hold, and what must happen once a rule is taken out.

docs/model.md tells a person the same; tests/unit/repository/test_model.py holds both together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holds:
    """Must hold in every state that can be reached. `completes`: the property is that a run without
    further faults completes, instead of the assertions."""

    what: str
    defines: str
    completes: bool = False

    @property
    def name(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Breaks:
    """With these defines something must go wrong; the shortest way to it has `steps` steps, which
    `check.py --show NAME` prints. `why`: the rule that is taken out, or the case."""

    why: str
    defines: str
    what: str
    steps: int

    @property
    def name(self) -> str:
        return self.defines.split()[0].removeprefix("-D")


NUMBERS = "-DROWS=2 -DWORKERS=2"
SMALL = f"{NUMBERS} -DNO_LATE_WRITE"
THREE_WORKERS = "-DROWS=2 -DWORKERS=3 -DFORGETS=2 -DNO_LATE_WRITE"
THREE_ROWS = "-DROWS=3 -DWORKERS=2 -DNO_LATE_WRITE"
FORGETS_TWICE = "-DROWS=3 -DWORKERS=2 -DFORGETS=2 -DNO_LATE_WRITE"
LATE = "-DLATE"

HOLDS = (
    Holds("takes any number: writes that arrive late", NUMBERS),
    Holds("takes any number: three incarnations", THREE_WORKERS),
    Holds("takes any number: three rows", THREE_ROWS),
    Holds("takes any number: forgets twice", FORGETS_TWICE),
    Holds("takes any number: another writer", f"{SMALL} -DFOREIGN=1"),
    Holds("takes any number: requests outlive its memory", f"{SMALL} {LATE}"),
    Holds("takes any number: a lane that rests", f"-DRESTS {THREE_ROWS}"),
    Holds("takes any number: a lane that rests, late writes", f"-DRESTS {NUMBERS}"),
    Holds("takes any number: the same, one in flight", f"-DRESTS {THREE_ROWS} -DWINDOW=1"),
    Holds("takes any number: the same, requests outlive", f"-DRESTS {SMALL} {LATE}"),
    Holds("takes any number: a run without faults completes", NUMBERS, completes=True),
    Holds("takes 0 only: writes that arrive late", f"-DSTRICT {NUMBERS}"),
    Holds("takes 0 only: three incarnations", f"-DSTRICT {THREE_WORKERS}"),
    Holds("takes 0 only: three rows", f"-DSTRICT {THREE_ROWS}"),
    Holds("takes 0 only: forgets twice", f"-DSTRICT {FORGETS_TWICE}"),
    Holds("takes 0 only: requests outlive its memory", f"-DSTRICT {SMALL} {LATE}"),
    Holds("takes 0 only: a lane that rests", f"-DSTRICT -DRESTS {THREE_ROWS}"),
    Holds("takes 0 only: a run without faults completes", f"-DSTRICT {NUMBERS}", completes=True),
    Holds("0 only where nothing was: three rows", f"-DNEVER_WRITTEN {THREE_ROWS}"),
    Holds("0 only where nothing was: another writer", f"-DNEVER_WRITTEN {SMALL} -DFOREIGN=1"),
)

REMOVED = (
    Breaks(
        "One producer id for the job's life",
        f"-DNO_ID_FOR_LIFE {SMALL}",
        "a row is twice: a zombie's and its successor's",
        8,
    ),
    Breaks(
        "The id is stored before the first row",
        f"-DNO_ID_STORED_FIRST {SMALL}",
        "a row is twice: the next incarnation takes another id",
        8,
    ),
    Breaks(
        "The first batch of an incarnation goes alone",
        f"-DNO_FIRST_ALONE {SMALL}",
        "the second is taken without the first",
        5,
    ),
    Breaks(
        "The tail is scanned before sending",
        f"-DNO_TAIL_SCAN {SMALL}",
        "a row that is there is sent to a leader that has forgotten",
        8,
    ),
    Breaks(
        "A worker whose lease lapsed looks at the topic before it sends",
        f"-DNO_LEASE {SMALL}",
        "a resend to a leader that has forgotten: the row is twice",
        8,
    ),
    Breaks(
        "A new epoch only if the leader has forgotten us",
        f"-DNO_ONLY_IF_FORGOTTEN {SMALL}",
        "a late batch is taken between scan and new epoch",
        11,
    ),
    Breaks(
        "A new epoch only if the present one has rows",
        f"-DNO_USED_EPOCH {SMALL} -DEPOCHS=3",
        "the batch of the skipped epoch comes late and is taken",
        17,
    ),
    Breaks(
        "The tail is scanned again before a new epoch",
        f"-DNO_RESCAN {SMALL} -DFORGETS=2",
        "the base row lies below the lane's end",
        13,
    ),
    Breaks(
        "An epoch is stored before its first batch",
        f"-DNO_EPOCH_STORED_FIRST -DSTRICT {SMALL}",
        "its owner goes on in the former epoch and is refused",
        17,
    ),
    Breaks(
        "The base row is the number of rows in the lane",
        f"-DNO_BASE {SMALL}",
        "the next scan counts rows that are not there",
        11,
    ),
    Breaks(
        "The scan counts batches of former epochs",
        f"-DNO_OLD_EPOCHS {SMALL}",
        "rows seem to be missing",
        11,
    ),
    Breaks(
        "Each write to the item names the fencing token",
        f"-DNO_TOKEN -DSTRICT {SMALL}",
        "a zombie's new epoch passes the owner by",
        20,
    ),
    Breaks(
        "Each write to the item names the number that was read",
        f"-DNO_NUMBER -DSTRICT {NUMBERS}",
        "a late checkpoint takes the lane back to its former epoch",
        22,
    ),
    Breaks(
        "A checkpoint covers acknowledged rows only",
        f"-DNO_ACKNOWLEDGED {SMALL}",
        "it is ahead of the log",
        4,
    ),
    Breaks(
        "All incarnations can ask the leader, or none can",
        f"-DNO_ONE_ANSWER {SMALL}",
        "one that could not ask has sent in the former epoch",
        14,
    ),
    Breaks(
        "What stands before a first batch or a resend is read",
        f"-DNO_OFFSET_CHECK {SMALL} {LATE}",
        "a checkpoint passes a row that is twice",
        13,
    ),
    Breaks(
        "The tail is read once more after the leader says that it knows us",
        f"-DNO_READ_AFTER_ANSWER -DLATE -DCAN_ASK {SMALL}",
        "a checkpoint passes a row that is twice",
        13,
    ),
    Breaks(
        "What stands before each first batch is read, where the leader cannot be asked",
        f"-DNO_EVERY_FIRST {LATE} {SMALL}",
        "a checkpoint passes a row that is twice",
        13,
    ),
    Breaks(
        "A lane that has rested for long is looked at before its next batch",
        f"-DNO_LOOK_AFTER_REST -DRESTS {THREE_ROWS}",
        "the second batch is taken without the first",
        9,
    ),
    Breaks(
        "The same, with one batch in flight",
        f"-DWINDOW=1 -DNO_LOOK_AFTER_REST -DRESTS {SMALL}",
        "the next incarnation begins an epoch while the batch is on its way",
        15,
    ),
)

SHOWN = (
    Breaks(
        "A request that outlived the leader's memory, before the last row",
        f"-DSHOW_STOP {SMALL} {LATE}",
        "the run stops and names the rows",
        10,
    ),
    Breaks(
        "The same, after the last row",
        f"-DNOBODY_LOOKS {SMALL} {LATE}",
        "the rows are twice, and nobody looks",
        14,
    ),
    Breaks(
        "A server that keeps no epochs",
        f"-DNO_EPOCHS -DROWS=3 -DWORKERS=1 -DNO_LATE_WRITE {LATE}",
        "a row is lost: a late one has taken its number",
        17,
    ),
    Breaks(
        "The model itself: can a job complete?",
        f"-DSHOW_COMPLETION {SMALL}",
        "it can",
        9,
    ),
)

SAVES_WORK = (
    Holds("The first batch after a failure goes alone", f"-DNO_ALONE_AFTER_FAILURE {THREE_ROWS}"),
    Holds("A resend waits for all answers", f"-DNO_WAIT_FOR_ANSWERS {THREE_ROWS}"),
    Holds("A resend begins with the lowest", f"-DNO_LOWEST_FIRST {THREE_ROWS}"),
    Holds("No more in flight than the leader remembers", f"-DWINDOW=3 {THREE_ROWS}"),
)

CASES: tuple[Holds | Breaks, ...] = (*HOLDS, *REMOVED, *SHOWN, *SAVES_WORK)
