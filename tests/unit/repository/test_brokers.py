"""docs/brokers.md has each case and release; whether its answers are right, real brokers say."""

from __future__ import annotations

import pytest

from csvkafka.kafka.probe_cases import CASES, CaseResult, Verdict
from csvkafka.local.releases import known_releases
from tests.brokers import HEAD, PAGE, page, row, rows_of

SAME = CaseResult("repeat", "0, 0", "stored, recognised", Verdict.OK, "Known.")
OLD = CaseResult("gap", "0, 5", "stored, stored", Verdict.REFUSED, "Passed over.")
NEW = CaseResult("gap", "0, 5", "stored, GAP", Verdict.OK, "In order.")


@pytest.mark.parametrize("release", known_releases())
def test_each_release_has_each_case_once_and_keeps_the_promise(release: str) -> None:
    rows = rows_of(PAGE.read_text("utf-8"), release)
    assert [(name, sent) for name, sent, _, _ in rows] == [(case.name, case.sent) for case in CASES]
    assert [verdict for *_, verdict in rows if verdict.startswith("refused")] == []


def test_the_page_begins_as_it_is_made() -> None:
    assert PAGE.read_text("utf-8").startswith(HEAD)


def test_releases_that_answer_alike_share_a_line() -> None:
    text = page({"1.0": [SAME, OLD], "2.0": [SAME, NEW]})
    assert "| repeat | 0, 0 | stored, recognised | ok: Known. | 1.0, 2.0 |\n" in text
    assert rows_of(text, "1.0") == [row(SAME), row(OLD)]
    assert rows_of(text, "2.0") == [row(SAME), row(NEW)]
