"""docs/performance.md can be made of a run's figures, and tells what the run did not measure."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks.page import TARGETS, TEMPLATE, Target, page, table
from benchmarks.sections import SECTIONS


def section(*lines: dict[str, Any], run: str = "1") -> dict[str, Any]:
    return {"machine": "2 cores", "command": "nox", "run": run, "seconds": 90.0, "lines": lines}


def line(name: str, rate: float, cpu: float = 1.0) -> dict[str, Any]:
    rates = {"records/s": rate, "lowest": rate - 1, "highest": rate + 1}
    return {"name": name, **rates, "cpu us/record": cpu}


def test_every_table_of_the_page_is_one_of_a_section() -> None:
    named = set(re.findall(r"\{\{table ([\w-]+)\}\}", TEMPLATE.read_text(encoding="utf-8")))
    assert named == set(SECTIONS)


def test_a_table_has_the_columns_that_were_measured() -> None:
    once = {"name": "once", "records/s": 5.0, "lowest": 5.0, "highest": 5.0, "cpu us/record": 0.5}
    assert table([line("a", 1000), once]) == (
        "| | rows/s | processor time per row |\n"
        "| --- | --- | --- |\n"
        "| a | 1,000 [999–1,001] | 1.00 µs |\n"
        "| once | 5 | 0.50 µs |"
    )


def test_a_section_without_figures_is_said() -> None:
    figures = {"verify": section(line("compiled", 1000))}
    assert page(figures, "{{table verify}}|{{table lz4}}").endswith("|Not measured in this run.")


def test_what_no_section_is_called_is_refused() -> None:
    with pytest.raises(KeyError):
        page({"verify": section()}, "{{tabel verify}}")


def test_figures_of_several_runs_are_not_called_one() -> None:
    one = {"verify": section(), "lz4": section()}
    assert "one run" in page(one, "{{run}}")
    two = {"verify": section(), "lz4": section(run="2")}
    assert "of 2 runs" in page(two, "{{run}}")


def test_a_target_says_whether_it_was_met() -> None:
    figures = {
        "compare": section(
            line("csvkafka", 300, cpu=0.5),
            line("csvkafka, Python encoder", 100, cpu=1.0),
            line("kafka-producer-perf-test, our records", 100),
            line("kafka-producer-perf-test, our records, 1 MB batches", 150),
        )
    }
    rows = [target.row(figures) for target in TARGETS]
    assert rows[0].endswith("at most 0.4 | 0.50 (**missed**) |")
    assert rows[2].endswith("at least 2 | 3.00 |")
    assert rows[3].endswith("at least 4 | 2.00 (**missed**) |")
    assert rows[-1].endswith("| not measured |")


@pytest.mark.parametrize(("reached", "is_met"), [(109.0, True), (111.0, False)])
def test_a_bound_from_above_is_met_below_it(reached: float, is_met: bool) -> None:
    row = Target("memory", 110, lambda _: reached, at_most=True, unit=" MB").row({})
    assert ("missed" not in row) is is_met
