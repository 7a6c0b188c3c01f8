"""The harness: what judges a loader, and what makes the files and faults to judge it with.

Programs and tests import from here. The module of a name is imported when the name is first asked
for, so that `judge` does not import Docker, and the checker does not import hypothesis.

Read: checker (what is proven, and of what), inputs, judging (one load from source to verdict),
faults, processes, history, stacks, simulator, report, pytest_plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csvkafka.local.base import Stack
    from csvkafka.local.stack import EmbeddedStack
    from csvkafka.testing.checker.checker import check
    from csvkafka.testing.checker.documented import (
        TopicRecord,
        documented_record,
        documented_row,
        read_rows,
    )
    from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
    from csvkafka.testing.checker.size_limit import SizeLimit
    from csvkafka.testing.checker.topic_reader import Isolation
    from csvkafka.testing.checker.verdict import (
        Anomaly,
        AnomalyKind,
        CheckpointObservation,
        Place,
        Verdict,
    )
    from csvkafka.testing.faults.crash_point import CrashPoint
    from csvkafka.testing.faults.proxy import InjectedFault, Proxy
    from csvkafka.testing.faults.proxy_faults import (
        Cut,
        Delay,
        Direction,
        Drop,
        Fault,
        FlipByte,
        Hold,
        ResetAfter,
        ResetConnection,
        Throttle,
    )
    from csvkafka.testing.history import History
    from csvkafka.testing.inputs.csv_files import CsvSpec, preset, write_csv
    from csvkafka.testing.inputs.strategies import (
        CsvFile,
        chunkings,
        csv_bytes,
        csv_files,
        hostile_csvs,
    )
    from csvkafka.testing.judging.judge import judge
    from csvkafka.testing.judging.judgement import Judgement, Life
    from csvkafka.testing.judging.plan import JudgePlan, JudgeView
    from csvkafka.testing.judging.recovery_case import RecoveryCase
    from csvkafka.testing.processes.loader_command import LoaderCommand
    from csvkafka.testing.stacks.containers import ContainerStack
    from csvkafka.testing.stacks.external import ExternalStack

__all__ = [
    "Anomaly",
    "AnomalyKind",
    "CheckpointObservation",
    "ContainerStack",
    "CrashPoint",
    "CsvFile",
    "CsvSpec",
    "Cut",
    "Delay",
    "Direction",
    "Drop",
    "EmbeddedStack",
    "Expectation",
    "ExternalStack",
    "Fault",
    "FlipByte",
    "History",
    "Hold",
    "IdentifyBy",
    "InjectedFault",
    "Isolation",
    "JudgePlan",
    "JudgeView",
    "Judgement",
    "Life",
    "LoaderCommand",
    "Place",
    "Proxy",
    "RecoveryCase",
    "ResetAfter",
    "ResetConnection",
    "SizeLimit",
    "Stack",
    "Throttle",
    "TopicRecord",
    "Verdict",
    "check",
    "chunkings",
    "csv_bytes",
    "csv_files",
    "documented_record",
    "documented_row",
    "hostile_csvs",
    "judge",
    "preset",
    "read_rows",
    "write_csv",
]

_NAMES = {
    "csvkafka.local.base": "Stack",
    "csvkafka.local.stack": "EmbeddedStack",
    "csvkafka.testing.checker.checker": "check",
    "csvkafka.testing.checker.documented": "TopicRecord documented_record documented_row read_rows",
    "csvkafka.testing.checker.expectation": "Expectation IdentifyBy",
    "csvkafka.testing.checker.size_limit": "SizeLimit",
    "csvkafka.testing.checker.topic_reader": "Isolation",
    "csvkafka.testing.checker.verdict": "Anomaly AnomalyKind CheckpointObservation Place Verdict",
    "csvkafka.testing.faults.crash_point": "CrashPoint",
    "csvkafka.testing.faults.proxy": "InjectedFault Proxy",
    "csvkafka.testing.faults.proxy_faults": (
        "Cut Delay Direction Drop Fault FlipByte Hold ResetAfter ResetConnection Throttle"
    ),
    "csvkafka.testing.history": "History",
    "csvkafka.testing.inputs.csv_files": "CsvSpec preset write_csv",
    "csvkafka.testing.inputs.strategies": "CsvFile chunkings csv_bytes csv_files hostile_csvs",
    "csvkafka.testing.judging.judge": "judge",
    "csvkafka.testing.judging.judgement": "Judgement Life",
    "csvkafka.testing.judging.plan": "JudgePlan JudgeView",
    "csvkafka.testing.judging.recovery_case": "RecoveryCase",
    "csvkafka.testing.processes.loader_command": "LoaderCommand",
    "csvkafka.testing.stacks.containers": "ContainerStack",
    "csvkafka.testing.stacks.external": "ExternalStack",
}
"""The public names by the module that brings them."""

if not TYPE_CHECKING:

    def __getattr__(name):
        from importlib import import_module

        for module, names in _NAMES.items():
            if name in names.split():
                value = globals()[name] = getattr(import_module(module), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
