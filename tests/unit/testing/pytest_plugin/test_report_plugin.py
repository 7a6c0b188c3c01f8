"""What pytest-xdist's processes hand over to the one that writes the page."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from csvkafka.testing.history import History
from csvkafka.testing.pytest_plugin import plugin, report_plugin


def config(**more: Any) -> Any:
    return SimpleNamespace(stash=pytest.Stash(), getoption=lambda _: "page.html", **more)


def test_the_cases_of_all_processes_are_on_the_page() -> None:
    first = config()
    for number in (1, 2):
        history = History()
        history.record("checkpoint", last_line=number, end_offsets={0: 7})
        case: Any = SimpleNamespace(history=history, row_count=10 * number)
        process = config(workeroutput={})
        request: Any = SimpleNamespace(
            config=process, node=SimpleNamespace(nodeid=f"test_{number}")
        )
        report_plugin.remember(request, case)
        session: Any = SimpleNamespace(config=process)
        plugin.pytest_sessionfinish(session)
        # They travel as plain values.
        output = json.loads(json.dumps(process.workeroutput))
        plugin.pytest_testnodedown(SimpleNamespace(config=first, workeroutput=output))
    plugin.pytest_testnodedown(SimpleNamespace(config=first))  # one that crashed
    told = first.stash[report_plugin._TOLD]
    assert [(t.node_id, t.row_count) for t in told] == [("test_1", 10), ("test_2", 20)]
    looks = [t.history.events("checkpoint")[0].facts for t in told]
    assert [look["last_line"] for look in looks] == [1, 2]
    assert [sum(look["end_offsets"].values()) for look in looks] == [7, 7]
