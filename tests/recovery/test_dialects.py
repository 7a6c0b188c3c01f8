"""Loads of files in other dialects are killed, and go on at a row, in the middle of what is odd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import RecoveryCase

NewCase = Callable[..., RecoveryCase]

ROWS = 2_500


def text(row: Callable[[int], str], header: str = "id,note,n\n") -> str:
    return header + "".join(map(row, range(1, ROWS + 1)))


def escaped(number: int) -> str:
    notes = ("a\\,b", "line\\\nend", '"say \\"x\\""', '"two\nlines\\\\"', "plain", "é\\\r")
    return f"{number},{notes[number % 6]},{number * 7}\n"


def commented(number: int) -> str:
    comment = ("", "#\n", '# "never closed\n', "\n", "#x,y\r\n")[number % 5]
    note = '"#no\n# comment"' if number % 7 == 0 else "plain"
    return f"{comment}{number},{note},{number * 7}\n"


def trailing(number: int) -> str:
    return f"{number},{'' if number % 3 else 'x'},{number},\n"


def wide(number: int) -> str:
    return f'{number},"{"😀é"[number % 2]} line\r\n{number}",\u0a0d{number}\r\n'


ESCAPES = {"CSV_ESCAPECHAR": "\\"}
CASES: dict[str, tuple[bytes, dict[str, str]]] = {
    "escaped": (text(escaped).encode(), {**ESCAPES, "CSV_DOUBLEQUOTE": "false"}),
    "commented": (text(commented).encode(), {"CSV_COMMENT": "#"}),
    "trailing": (text(trailing, "id,note,n,\n").encode(), {"CSV_TRAILING_DELIMITER": "true"}),
    "headless": (text(wide, "").encode(), {"CSV_HEADER": "none"}),
    "named": (
        text(escaped, "# a\n").encode(),
        {**ESCAPES, "CSV_HEADER": "a,b,c", "CSV_SKIP_LINES": "1"},
    ),
    "utf-16-le": (
        text(wide, "\ufeffid,note,n\r\n").encode("utf-16-le"),
        {"CSV_ENCODING": "utf-16-le"},
    ),
    "utf-16-be": (
        text(wide, "").encode("utf-16-be"),
        {"CSV_ENCODING": "utf-16-be", "CSV_HEADER": "x,y,z"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_killed_in_the_middle_of_a_dialect(recovery_case: NewCase, name: str) -> None:
    source, settings = CASES[name]
    case = recovery_case(source, block_bytes=1_024, partitions=2, settings=settings)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=300)
    case.kill_at(Step.BLOCK_ACKNOWLEDGED, from_rows=700)
    assert 0 < case.view.record_count() < ROWS
    case.run()
    verdict = case.verdict()
    assert verdict.is_clean, verdict
    assert verdict.rows_found == ROWS


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("commented", {"CSV_COMMENT": ";"}, "CSV_COMMENT '#' then, ';' now"),
        ("named", {"CSV_HEADER": "a,b,d"}, "columns"),
        ("headless", {"CSV_HEADER": ""}, "CSV_HEADER 'none' then, '' now"),
        ("escaped", {"CSV_DOUBLEQUOTE": "true"}, "CSV_DOUBLEQUOTE 'false' then, 'true' now"),
    ],
)
def test_a_resume_in_another_dialect_is_refused(
    recovery_case: NewCase, name: str, other: dict[str, Any], said: str
) -> None:
    source, settings = CASES[name]
    case = recovery_case(source, block_bytes=1_024, settings=settings)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=300)
    assert said in case.refused("ConfigChanged", settings=other).output()


def test_a_set_without_headers_has_an_empty_file_and_goes_on(recovery_case: NewCase) -> None:
    files = {f"{n}.csv": text(escaped, "").encode() if n != 1 else b"" for n in range(3)}
    settings = {"CSV_HEADER": "none", "CSV_ESCAPECHAR": "\\"}
    case = recovery_case(files, block_bytes=1_024, settings=settings)
    case.kill_at(Step.FILE_ACKNOWLEDGED, nth=1)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=ROWS + 300)
    case.run()
    verdict = case.verdict()
    assert verdict.is_clean, verdict
    assert verdict.rows_found == 2 * ROWS
