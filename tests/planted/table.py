"""Which bug is planted, what shows it, and what must be found: the harness's own proof.

B1 to B34 are bugs that other loaders have had; the rest are mutants of csvkafka's core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.planted import forgotten, in_process, scenarios
from tests.planted.scenarios import Found, Ground

Scenario = Callable[[Ground], Found]


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug by the name of its patch. One of `must` has to be found, and nothing that is neither
    in `must` nor in `may`: else it was seen for another reason than its own."""

    name: str
    what: str
    scenario: Scenario
    must: frozenset[str]
    may: frozenset[str] = frozenset()


def _plant(name: str, what: str, scenario: Scenario, must: str, *may: str) -> Plant:
    """`must` is one name, or several with "or" between."""
    return Plant(name, what, scenario, frozenset(must.split(" or ")), frozenset(may))


PLANTS = (
    _plant(
        "checkpoint-before-acknowledgement",
        "the checkpoint covers what was only handed over",
        scenarios.killed_after_a_checkpoint,
        "checkpoint-ahead",
    ),
    _plant(
        "new-producer-id-on-resume",
        "each incarnation takes a producer id of its own",
        scenarios.batch_held_until_after_the_tail_scan,
        "duplicate-row",
    ),
    _plant(
        "no-token-in-the-condition",
        "writes to the item do not ask who owns it",
        scenarios.zombie_wakes,
        "not fenced",
    ),
    _plant(
        "first-batch-not-alone",
        "five batches in flight from the start",
        in_process.broker_without_state_refuses_the_first,
        "lost-row",
    ),
    _plant(
        "csv-time-as-timestamp",
        "records carry an old time from the file, so the broker forgets their writer",
        scenarios.batch_held_until_all_is_done,
        "duplicate-row",
    ),
    _plant(
        "new-epoch-without-rescan",
        "a forgotten lane begins an epoch where it was last seen to end",
        forgotten.late_batch_after_the_answer,
        "error RepeatedRows",
        "lost-row",
    ),
    _plant(
        "new-epoch-while-known",
        "a lane begins an epoch although its leader knows the job",
        forgotten.late_batch_before_the_first,
        "duplicate-row",
        *("error RepeatedRows", "lost-row"),
    ),
    _plant(
        "base-row-off-by-one",
        "an epoch begins one row after the lane's end",
        forgotten.forgotten,
        "error EpochBase",
        "lost-row",
    ),
    _plant(
        "epoch-stored-after-the-send",
        "the item learns of an epoch when its first batch was sent",
        forgotten.remembered_again,
        "duplicate-row",
    ),
    _plant(
        "former-epoch-counted-twice",
        "rows of a former epoch in the tail are counted twice",
        forgotten.forgotten_twice_in_one_tail,
        "error EpochBase",
        "lost-row",
    ),
    _plant(
        "rested-lane-not-looked-at",
        "a lane that rested for long goes on as if its leader knew the job",
        forgotten.refused_after_a_rest,
        "error TailGap",
        *("lost-row", "reordered-row"),
    ),
    _plant(
        "first-batch-not-read-before",
        "nobody reads what came before a first batch where no leader tells",
        forgotten.late_copy_where_no_leader_tells,
        "duplicate-row",
    ),
    _plant(
        "no-if-match",
        "GETs are not pinned to the object's version",
        in_process.object_overwritten_between_two_gets,
        "spliced",
    ),
    _plant(
        "B1",
        "the last row is sent again after a resume",
        scenarios.killed_before_the_first_checkpoint,
        "duplicate-row",
    ),
    _plant(
        "B2",
        "positions count characters, reads skip bytes",
        scenarios.unicode_resume,
        "torn-row",
        "phantom-row",
    ),
    _plant(
        "B3",
        "positions drift by 4 for each emoji",
        scenarios.unicode_resume,
        "torn-row",
        "lost-row",
    ),
    _plant("B4", "a last row without newline is left out", scenarios.no_final_newline, "lost-row"),
    _plant(
        "B5",
        "a quoted newline splits a row",
        scenarios.quoted_newlines,
        "torn-row",
        "phantom-row",
    ),
    _plant(
        "B6",
        "a resume reads from byte 0",
        in_process.resume_far_into_the_object,
        "reads again what is loaded",
    ),
    _plant("B7", "a read error counts as the end", scenarios.body_cut, "lost-row", "torn-row"),
    _plant("B8", "done before it is acknowledged", scenarios.load, "lost-row"),
    _plant(
        "B9",
        "the checkpoint passes an unacknowledged row",
        scenarios.stalled_lane,
        "checkpoint-ahead",
    ),
    _plant(
        "B12",
        "the tail ends at the last stable offset",
        scenarios.open_transaction,
        "error TopicTruncated",
    ),
    _plant("B13", "Kafka offsets taken for row numbers", scenarios.other_writers, "error Sequence"),
    _plant("B14", "a replaced object is gone on with", scenarios.object_replaced, "torn-row"),
    _plant("B15", "a shorter object is skipped for ever", scenarios.object_shortened, "hangs"),
    _plant(
        "B16", "the byte order mark is in the first name", scenarios.byte_order_mark, "torn-row"
    ),
    _plant("B17", "a quoted header is split at commas", scenarios.quoted_header, "torn-row"),
    _plant("B18", "only LF ends a line", scenarios.cr_only, "lost-row"),
    _plant(
        "B19",
        "an open quote takes the rest of the file",
        scenarios.unterminated_quote,
        "not refused",
    ),
    _plant(
        "B20",
        "an oversized row takes its neighbours along",
        scenarios.oversized_row,
        "lost-row",
        "checkpoint-ahead",
    ),
    _plant(
        "B21",
        "rows are dropped when the queue is full",
        scenarios.load,
        "lost-row",
        "checkpoint-ahead",
    ),
    _plant(
        "B22",
        "a connection reset starts again from the beginning",
        scenarios.body_cut,
        "torn-row",
        "phantom-row",
    ),
    _plant("B23", "the whole object in memory", scenarios.large_file, "memory grows with the file"),
    _plant("B24", "SIGTERM is not handled", scenarios.stopped_by_sigterm, "exit -15"),
    _plant("B26", "a compacted topic is taken", scenarios.compacted_topic, "not refused"),
    _plant("B27", "a random partition for each row", scenarios.keyed, "reordered-row"),
    _plant(
        "B28",
        "the partition follows from live metadata",
        scenarios.partitions_added,
        # The loader itself refuses where rows after the checkpoint are in the topic already.
        "reordered-row or error Sequence",
        "duplicate-row",
        "lost-row",
        "checkpoint-ahead",
    ),
    _plant("B29", "everything is UTF-8", scenarios.windows_1252, "torn-row"),
    _plant("B30", "a ragged row shifts its fields", scenarios.ragged_row, "torn-row"),
    _plant("B31", "only the first gzip member", scenarios.gzip_of_two_members, "lost-row"),
    _plant(
        "B33",
        "idempotence is switched off",
        scenarios.killed_before_the_first_checkpoint,
        "duplicate-row",
    ),
)

NOT_PLANTED = {
    "B10": "no transactional id: csvkafka uses no transactions",
    "B11": "no transactional id; its counterpart here is new-producer-id-on-resume",
    "B25": "no transactional id that could expire; a producer id that did is row F61",
    "B32": "one set of Kafka settings is used for everything",
    "B34": "not a bug of a loader but a missing view: csvkafka status is that view",
}
"""Bugs that this design has no place for."""

ALL_BUGS = {f"B{number}" for number in range(1, 35)}
CORE_MUTANTS = {
    "checkpoint-before-acknowledgement",
    "new-producer-id-on-resume",
    "no-token-in-the-condition",
    "first-batch-not-alone",
    "csv-time-as-timestamp",
    "new-epoch-without-rescan",
    "new-epoch-while-known",
    "base-row-off-by-one",
    "epoch-stored-after-the-send",
    "former-epoch-counted-twice",
    "rested-lane-not-looked-at",
    "first-batch-not-read-before",
    "B28",  # the partition follows from live metadata
    "no-if-match",
}
FAULTS = {"a-stalled-lane"}
"""Planted too, but no bug."""
