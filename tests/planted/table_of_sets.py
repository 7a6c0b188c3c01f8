"""Bugs of sets of files, and what must be found of each."""

from __future__ import annotations

from tests.planted import in_process, set_files, sets
from tests.planted.plant import plant

IN_ORDER = (
    plant(
        "set-resume-in-the-next-file",
        "a resume opens the file after the checkpoint's",
        sets.killed_inside_a_file,
        "lost-row or error Sequence",
        *("torn-row", "phantom-row", "checkpoint-ahead"),
    ),
    plant(
        "set-resume-at-the-files-beginning",
        "a resume reads the checkpoint's file from its first row",
        sets.killed_inside_a_file,
        "duplicate-row",
        *("lost-row", "reordered-row", "checkpoint-ahead", "error Sequence"),
    ),
    plant(
        "set-lines-counted-through",
        "a file's lines go on where the file before ended",
        sets.loaded,
        "phantom-row",
        *("lost-row", "torn-row", "checkpoint-ahead", "duplicate-row", "reordered-row"),
    ),
    plant(
        "set-batch-ends-with-its-first-file",
        "files that share a batch are done where the first of them ends",
        sets.killed_among_small_files,
        "duplicate-row",
        *("lost-row", "reordered-row", "checkpoint-ahead", "error Sequence"),
    ),
    plant(
        "set-columns-by-place",
        "all files are read by the first one's header",
        sets.loaded,
        "torn-row",
    ),
    plant(
        "set-list-not-kept",
        "a resume takes the files that stand there now",
        sets.a_file_came_between_two_runs,
        # The checkpoint's byte lies beyond the end of the file that has its number now.
        "duplicate-row or phantom-row or error SourceChanged",
        *("lost-row", "torn-row", "reordered-row", "checkpoint-ahead"),
    ),
    plant(
        "set-failure-ahead-is-the-end",
        "a file that could not be fetched ahead has ended",
        sets.a_file_is_cut_off,
        # What is left of the row in which the file is cut may be no row.
        "lost-row or error MalformedRow",
        *("torn-row", "checkpoint-ahead"),
    ),
    plant(
        "set-point-of-another-piece",
        "a restart point is used in another file than its own",
        sets.restart_point_of_the_file_before,
        "torn-row",
        "lost-row",
    ),
    plant(
        "set-point-of-the-piece-before",
        "the newest restart point is used in whichever file",
        sets.files_with_restart_points,
        # The header is read from there too.
        "error MalformedRow",
    ),
)

OF_FILES = (
    plant(
        "set-file-without-its-lease",
        "a file is taken without its lease",
        set_files.zombie_wakes_before_its_producer_id_is_stored,
        "duplicate-row",
    ),
    plant(
        "set-complete-when-no-file-is-free",
        "the set is complete when no file is free",
        set_files.another_worker_is_in_its_file,
        "lost-row",
        *("checkpoint-ahead", "wrong count"),
    ),
    plant(
        "set-failed-is-done",
        "a file that failed counts as done",
        set_files.a_file_has_other_columns,
        "lost-row",
        "checkpoint-ahead",
    ),
    plant(
        "set-columns-of-each-file",
        "a file may have columns of its own",
        set_files.a_file_has_other_columns,
        "not refused",
    ),
    plant(
        "set-marked-before-it-is-loaded",
        "a file is marked when its load begins",
        set_files.killed_inside_a_file,
        "lost-row",
        "wrong count",
    ),
    plant(
        "set-marks-without-condition",
        "marks are written over those that came after the read",
        in_process.two_mark_at_the_same_moment,
        "mark lost",
    ),
    plant(
        "set-marks-from-memory",
        "marks are written as they were first read",
        set_files.marked_by_another_first,
        "mark taken back",
    ),
    plant(
        "set-rows-counted-twice",
        "a file's rows are added although it is marked",
        set_files.marked_by_another_first,
        "wrong count",
        "checkpoint-ahead",
    ),
    plant(
        "set-own-partition-count",
        "a file's keys go by the partitions that there are now",
        set_files.partitions_added_between_two_files,
        "reordered-row",
    ),
    plant(
        "set-complete-said-by-each",
        "each worker says that the set is complete",
        set_files.two_have_loaded_all,
        "said by 2",
    ),
    plant(
        "set-complete-file-not-marked",
        "a file that is complete counts without its mark",
        set_files.killed_before_the_last_file_is_marked,
        "wrong count",
    ),
)
