"""Which bug is planted, what shows it, and what must be found: the harness's own proof.

B1 to B34 are bugs that other loaders have had; the rest are mutants of csvkafka's core.
"""

from __future__ import annotations

from tests.planted import forgotten, in_process, scenarios
from tests.planted.plant import plant
from tests.planted.table_of_records import OF_RECORDS
from tests.planted.table_of_routes import OF_ROUTES
from tests.planted.table_of_sets import IN_ORDER, OF_FILES
from tests.planted.table_of_sizes import OF_SIZES

PLANTS = (
    plant(
        "checkpoint-before-acknowledgement",
        "the checkpoint covers what was only handed over",
        scenarios.killed_after_a_checkpoint,
        "checkpoint-ahead",
    ),
    plant(
        "new-producer-id-on-resume",
        "each incarnation takes a producer id of its own",
        scenarios.batch_held_until_after_the_tail_scan,
        "duplicate-row",
    ),
    plant(
        "no-token-in-the-condition",
        "writes to the item do not ask who owns it",
        scenarios.zombie_wakes,
        "not fenced",
    ),
    plant(
        "first-batch-not-alone",
        "five batches in flight from the start",
        in_process.broker_without_state_refuses_the_first,
        "lost-row",
    ),
    plant(
        "csv-time-as-timestamp",
        "records carry an old time from the file, so the broker forgets their writer",
        scenarios.batch_held_until_all_is_done,
        "duplicate-row",
    ),
    plant(
        "new-epoch-without-rescan",
        "a forgotten lane begins an epoch where it was last seen to end",
        forgotten.late_batch_after_the_answer,
        "error RepeatedRows",
        "lost-row",
    ),
    plant(
        "new-epoch-while-known",
        "a lane begins an epoch although its leader knows the job",
        forgotten.late_batch_before_the_first,
        "duplicate-row",
        *("error RepeatedRows", "lost-row"),
    ),
    plant(
        "base-row-off-by-one",
        "an epoch begins one row after the lane's end",
        forgotten.forgotten,
        "error EpochBase",
        "lost-row",
    ),
    plant(
        "epoch-stored-after-the-send",
        "the item learns of an epoch when its first batch was sent",
        forgotten.remembered_again,
        "duplicate-row",
    ),
    plant(
        "former-epoch-counted-twice",
        "rows of a former epoch in the tail are counted twice",
        forgotten.forgotten_twice_in_one_tail,
        "error EpochBase",
        "lost-row",
    ),
    plant(
        "rested-lane-not-looked-at",
        "a lane that rested for long goes on as if its leader knew the job",
        forgotten.refused_after_a_rest,
        "error TailGap",
        *("lost-row", "reordered-row"),
    ),
    plant(
        "first-batch-not-read-before",
        "nobody reads what came before a first batch where no leader tells",
        forgotten.late_copy_where_no_leader_tells,
        "duplicate-row",
    ),
    plant(
        "no-if-match",
        "GETs are not pinned to the object's version",
        in_process.object_overwritten_between_two_gets,
        "spliced",
    ),
    *IN_ORDER,
    *OF_FILES,
    *OF_RECORDS,
    *OF_ROUTES,
    *OF_SIZES,
    plant(
        "B1",
        "the last row is sent again after a resume",
        scenarios.killed_before_the_first_checkpoint,
        "duplicate-row",
    ),
    plant(
        "B2",
        "positions count characters, reads skip bytes",
        scenarios.unicode_resume,
        "torn-row",
        "phantom-row",
    ),
    plant(
        "B3",
        "positions drift by 4 for each emoji",
        scenarios.unicode_resume,
        "torn-row",
        "lost-row",
    ),
    plant("B4", "a last row without newline is left out", scenarios.no_final_newline, "lost-row"),
    plant(
        "B5",
        "a quoted newline splits a row",
        scenarios.quoted_newlines,
        "torn-row",
        "phantom-row",
    ),
    plant(
        "B6",
        "a resume reads from byte 0",
        in_process.resume_far_into_the_object,
        "reads again what is loaded",
    ),
    plant("B7", "a read error counts as the end", scenarios.body_cut, "lost-row", "torn-row"),
    plant("B8", "done before it is acknowledged", scenarios.load, "lost-row"),
    plant(
        "B9",
        "the checkpoint passes an unacknowledged row",
        scenarios.stalled_lane,
        "checkpoint-ahead",
    ),
    plant(
        "B12",
        "the tail ends at the last stable offset",
        scenarios.open_transaction,
        "error TopicTruncated",
    ),
    plant("B13", "Kafka offsets taken for row numbers", scenarios.other_writers, "error Sequence"),
    plant("B14", "a replaced object is gone on with", scenarios.object_replaced, "torn-row"),
    plant("B15", "a shorter object is skipped for ever", scenarios.object_shortened, "hangs"),
    plant("B16", "the byte order mark is in the first name", scenarios.byte_order_mark, "torn-row"),
    plant("B17", "a quoted header is split at commas", scenarios.quoted_header, "torn-row"),
    plant("B18", "only LF ends a line", scenarios.cr_only, "lost-row"),
    plant(
        "B19",
        "an open quote takes the rest of the file",
        scenarios.unterminated_quote,
        "not refused",
    ),
    plant(
        "B20",
        "an oversized row takes its neighbours along",
        scenarios.oversized_row,
        "lost-row",
        "checkpoint-ahead",
    ),
    plant(
        "B21",
        "rows are dropped when the queue is full",
        scenarios.load,
        "lost-row",
        "checkpoint-ahead",
    ),
    plant(
        "B22",
        "a connection reset starts again from the beginning",
        scenarios.body_cut,
        "torn-row",
        "phantom-row",
    ),
    plant("B23", "the whole object in memory", scenarios.large_file, "memory grows with the file"),
    plant("B24", "SIGTERM is not handled", scenarios.stopped_by_sigterm, "exit -15"),
    plant("B26", "a compacted topic is taken", scenarios.compacted_topic, "not refused"),
    plant("B27", "a random partition for each row", scenarios.keyed, "reordered-row"),
    plant(
        "B28",
        "the partition follows from live metadata",
        scenarios.partitions_added,
        # The loader itself refuses where rows after the checkpoint are in the topic already.
        "reordered-row or error Sequence",
        "duplicate-row",
        "lost-row",
        "checkpoint-ahead",
    ),
    plant("B29", "everything is UTF-8", scenarios.windows_1252, "torn-row"),
    plant("B30", "a ragged row shifts its fields", scenarios.ragged_row, "torn-row"),
    plant(
        "point-of-any-object",
        "a restart point is used without a look at whose it is",
        scenarios.restart_point_of_another_object,
        "lost-row",
        "torn-row",
    ),
    plant("B31", "only the first gzip member", scenarios.gzip_of_two_members, "lost-row"),
    plant(
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
    "point-of-any-object",
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
SET_BUGS = {plant.name for plant in (*IN_ORDER, *OF_FILES)}
RECORD_BUGS = {plant.name for plant in (*OF_RECORDS, *OF_ROUTES, *OF_SIZES)}
FAULTS = {"a-stalled-lane"}
"""Planted too, but no bug."""
