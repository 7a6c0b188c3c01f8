"""The remedy of a message says what helps the job that it stopped."""

from __future__ import annotations

import pytest

from csvkafka.encode.dead_letter import fault_of
from csvkafka.errors import (
    ANOTHER_JOB,
    OR_LEFT_OUT,
    SourceCorruptError,
    UserFunctionError,
    as_a_job_of_its_own,
)

ALONE = "load it alone, by S3_KEY and under another JOB_ID"


@pytest.mark.parametrize(
    ("remedy", "expected"),
    [
        ("store it again", "store a sound copy under another key"),
        ("store it unpacked, or as gzip", "store a copy unpacked, or as gzip"),
        ("repair the file, or set ON_BAD_ROW", "repair a copy, or set ON_BAD_ROW"),
        (OR_LEFT_OUT, "repair a copy"),
    ],
)
def test_a_file_of_a_set_is_never_to_be_changed_in_its_place(remedy: str, expected: str) -> None:
    said = as_a_job_of_its_own(f"part-7.gz is cut off; {remedy}, {ANOTHER_JOB}")
    assert said == f"part-7.gz is cut off; {expected}, and {ALONE}"
    assert as_a_job_of_its_own(said) == said


def test_rows_of_a_file_that_are_in_the_topic_are_no_reason_to_send_them_again() -> None:
    said = as_a_job_of_its_own(f"row 2 has 3 fields; {ANOTHER_JOB}", may_have_sent=True)
    assert said.endswith(f"and {ALONE}, into another topic if rows of it are in this one")


@pytest.mark.parametrize(
    "error",
    [
        SourceCorruptError(f"row 7 is not valid utf-8; set CSV_ENCODING, {ANOTHER_JOB}"),
        UserFunctionError.of("shop:clean", "row 7", ValueError()),
        UserFunctionError.no_object("shop:clean", "row 7", "it is None"),
    ],
)
def test_a_letter_says_that_it_is_to_be_replayed_not_loaded_again(error: Exception) -> None:
    fault = fault_of(error)
    assert fault is not None
    assert "and replay the job (csvkafka replay)" in fault.reason
    assert "under another JOB_ID" not in fault.reason
    assert "same command" not in fault.reason
