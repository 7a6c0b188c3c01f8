"""The catalogue of refusals is whole: each error class is in it, with a test that provokes it."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from csvkafka import errors
from tests.refusals import (
    PLACE,
    REMEDY,
    error_classes,
    is_group,
    page,
    provoking_tests,
)

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "csvkafka"
NAMES = {kind.__name__ for kind in error_classes()}


@functools.cache
def sources() -> dict[str, ast.Module]:
    """The modules in which an error class is named: no other calls one, or is derived from one."""
    texts = {
        str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    named = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")
    return {name: ast.parse(text) for name, text in texts.items() if named.search(text)}


@functools.cache
def calls(name: str) -> list[tuple[str, ast.Call]]:
    """Where error classes are called in the module, by their names."""
    return [
        (node.func.id, node)
        for node in ast.walk(sources()[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES
    ]


def template(node: ast.expr) -> str | None:
    """The message's text, `row 1` for each value put into it; None for one made elsewhere."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            texts = [template(part) for part in parts]
            return "".join("row 1" if text is None else text for text in texts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (template(left) or "") + (template(right) or "row 1")
    return None


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    drawn = re.findall(r"^ *[│ ]*[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted([*drawn, "CsvKafkaError"]) == sorted(NAMES)


def test_each_class_says_cause_and_remedy_or_only_groups_others() -> None:
    for kind in error_classes():
        if is_group(kind):
            assert kind.__subclasses__(), f"{kind.__name__} has neither a cause nor subclasses"
        else:
            assert kind.__doc__, kind.__name__
            assert kind.cause, kind.__name__
            assert kind.remedy, kind.__name__


def test_each_class_has_a_test_that_provokes_it() -> None:
    without = {kind.__name__ for kind in error_classes() if not is_group(kind)}
    assert without - provoking_tests().keys() == set(), "use tests.refusals.refusal"


def test_the_page_is_made_of_the_classes() -> None:
    made = page()
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == made, "run nox -s errors"


def test_error_classes_stand_in_one_module() -> None:
    elsewhere = [
        f"{name}: {node.name}"
        for name, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and name != "errors.py"
        and any(isinstance(base, ast.Name) and base.id in NAMES for base in node.bases)
    ]
    assert sorted(elsewhere) == [
        "checkpoint.py: JobOwnedClientError",  # botocore's class is a base too, and imported late
        "cli/doctor/record_checks.py: _SampleEnds",  # never leaves its module
    ]


def test_groups_are_not_raised_themselves() -> None:
    groups = {kind.__name__ for kind in error_classes() if is_group(kind)}
    raised = [(name, kind) for name in sources() for kind, _ in calls(name) if kind in groups]
    assert raised == []


# The harness and the stack speak to developers; the adapters and what reads rows also make errors
# that are only the reason inside another message.
UNCHECKED = ("testing/", "local/", "aws/", "kafka/", "rows/", "records/", "encode/")

MESSAGES = [
    pytest.param(name, kind, text, id=f"{name}:{call.lineno}")
    for name in sources()
    if not name.startswith(UNCHECKED)
    for kind, call in calls(name)
    if call.args and (text := template(call.args[0])) is not None
]


@pytest.mark.parametrize(("name", "kind", "text"), MESSAGES)
def test_every_message_says_where_and_what_to_do(name: str, kind: str, text: str) -> None:
    assert PLACE.search(text), f"{kind} names no place: {text}"
    assert REMEDY.search(text), f"{kind} says not what to do: {text}"
    # Only the command line itself speaks of options; those of Kafka's tool are not ours.
    option = re.search(r"(?<![\w-])--(?!help)[a-z]", text.partition("kafka-topics.sh ")[0])
    assert name.startswith("cli/") or not option, "settings are spelled by their variables"
