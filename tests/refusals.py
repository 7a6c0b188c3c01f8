"""The tests that provoke each error, with the rule that every message keeps: it names a place, and
what to do. And docs/errors.md, made of the error classes and of the names of those tests:

    python -m tests.refusals > docs/errors.md
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from csvkafka import errors
from csvkafka.errors import CsvKafkaError
from csvkafka.exit_codes import ExitCode

TESTS = Path(__file__).parent

PLACE = re.compile(
    r"s3://\S|\b(job|table|topic|row|byte|line|partition|broker|server|signal|worker|host) '?\w"
    r"|\b[A-Z][A-Z0-9]*_[A-Z_]+\b|\S:\d{2,5}\b|'[^']+'|/\S+/|--[a-z]|settings\[|PARTITIONER|TRANSFORM"
)
"""Something by which a user finds the place: an address, a number, a name, a setting."""

REMEDY = re.compile(
    r"\b(set|check|load|repair|run|use|create|give|raise|lower|add|install|restore|look|see|let"
    r"|make|renew|name|stop|put|choose|grant|free|convert|compare|take|wait|kill|start|write|report"
    r"|must be|needs|goes on|go on)\b",
    re.IGNORECASE,
)
"""What to do, or what must be."""

Kind = TypeVar("Kind", bound=CsvKafkaError)


@contextmanager
def refusal(kind: type[Kind], match: str | None = None) -> Iterator[pytest.ExceptionInfo[Kind]]:
    """As `pytest.raises`, for an error of csvkafka, whose message must say where and what to do.

    It makes the test one of those that the catalogue names for `kind`."""
    with pytest.raises(kind, match=match) as caught:
        yield caught
    assert type(caught.value) is kind
    refusal_in(kind, str(caught.value))


def refusal_in(kind: type[CsvKafkaError], message: str) -> None:
    """The same for a message that was found in a log, or in an outcome."""
    assert PLACE.search(message), f"{kind.__name__} names no place: {message}"
    assert REMEDY.search(message), f"{kind.__name__} says not what to do: {message}"


def error_classes() -> list[type[CsvKafkaError]]:
    """All classes of csvkafka/errors.py, in their order there."""
    return [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, CsvKafkaError)
    ]


def is_group(kind: type[CsvKafkaError]) -> bool:
    """A class that is never raised itself, and has no entry of its own."""
    return "cause" not in vars(kind)


@cache
def provoking_tests() -> dict[str, list[str]]:
    """By the name of an error class, the tests that provoke it, as `folder/file.py::test`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                for kind in _provoked_in(function):
                    found[kind].append(f"{path.relative_to(TESTS)}::{function.name}")
    return found


def _provoked_in(function: ast.FunctionDef) -> list[str]:
    """Names of the error classes that `refusal` or `refusal_in` is called with, or whose name a
    RecoveryCase (real brokers, real processes) looks for in a worker's log."""
    names: list[str] = []
    for call in ast.walk(function):
        match call:
            case ast.Call(ast.Name("refusal" | "refusal_in"), [ast.Name(name), *_]):
                names.append(name)
            case ast.Call(
                ast.Attribute(attr="refused" | "assert_error" | "assert_stopped"),
                [ast.Constant(str(name))] | [_, ast.Constant(str(name))],
            ):
                names.append(f"{name}Error")
    return list(dict.fromkeys(names))


HEAD = """# Every refusal

What csvkafka raises on purpose, in each case with a message that says what, where, and what to do.
In Python they are classes that `csvkafka` has by these names; the log of `python -m csvkafka`
begins the message with the class's name. Made by `nox -s errors` from the classes, and from the
tests that provoke each.

A process ends with the code 1 for each of them. With `csvkafka load --exit-codes detailed`, or
`EXIT_CODES=detailed` in the environment (of `python -m csvkafka` too), an orchestrator can tell
them apart:

| code | meaning |
|---|---|
| 0 | all rows are in the topic |
| 2 | the command line is wrong |
"""

MIDDLE = """| 137 | killed |
| 143, 130 | stopped by SIGTERM, SIGINT |

Settings are named here by their variables. A message names them as they were given:
`--key-column` to the command line, `settings["KEY_COLUMN"]` to a program, `KEY_COLUMN` to
`python -m csvkafka`.
"""


def page() -> str:
    """docs/errors.md."""
    tests = provoking_tests()
    codes = "".join(f"| {code.value} | {code.meaning} |\n" for code in ExitCode)
    entries = [_entry(kind, tests[kind.__name__]) for kind in error_classes() if not is_group(kind)]
    return HEAD + codes + MIDDLE + "".join(entries)


def _entry(kind: type[CsvKafkaError], tests: list[str]) -> str:
    seen = " ".join((kind.__doc__ or "").split())
    stopped = kind is errors.StoppedError
    detailed = int(kind.detailed_exit_code)
    codes = "143 or 130" if stopped else f"{kind.exit_code}, detailed {detailed}"
    again = "goes on" if stopped else "may help" if kind.retriable else "does not help"
    return f"""
## {kind.__name__}

{seen}

- Cause: {kind.cause}
- Remedy: {kind.remedy}
- Exit code: {codes}. Running the same command again {again}.
- Provoked by: {", ".join(f"`{test}`" for test in tests)}
"""


if __name__ == "__main__":
    print(page(), end="")
