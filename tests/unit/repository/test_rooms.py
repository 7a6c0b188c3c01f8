"""Each room says what it holds, whom it imports and who imports it, and in which order to read it;
the picture shows each; and a test reaches into no other room."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from csvkafka.cli.program import COMMANDS
from tests.unit.repository.rooms import (
    FACES,
    PACKAGE,
    ROOT,
    docstring_of,
    imports_between_rooms,
    imports_of,
    init_of,
    modules_of,
    names_in,
    outer_rooms,
    rooms,
)


def listed(names: Iterable[str], if_none: str = "nothing") -> str:
    """As a room's docstring has them: the ground first."""
    return ", ".join(sorted(names, key=lambda name: (name != "the ground", name))) or if_none


@pytest.mark.parametrize("room", rooms())
def test_a_room_says_in_its_init_what_it_holds(room: str) -> None:
    first = docstring_of(room).partition("\n\n")[0]
    assert first.endswith("."), (
        f"csvkafka/{room}/__init__.py begins with a sentence that says what the room holds, and "
        "goes on with the lines `Imports:`, `Imported by:` and `Read:`"
    )


@pytest.mark.parametrize("room", outer_rooms())
def test_a_room_says_whom_it_imports_and_who_imports_it(room: str) -> None:
    between = imports_between_rooms()
    for label, names in (
        ("Imports", {imported for importer, imported in between if importer == room}),
        ("Imported by", {importer for importer, imported in between if imported == room}),
    ):
        line = f"{label}: {listed(names, 'nothing' if label == 'Imports' else 'nobody')}."
        assert names_in(room, label) == names, (
            f"csvkafka/{room}/__init__.py names every room that it imports, or that imports it, "
            f"and no other; its line should say:\n{line}"
        )


@pytest.mark.parametrize("room", [*rooms(), *FACES])
def test_a_room_says_in_which_order_its_modules_are_read(room: str) -> None:
    said, held = names_in(room, "Read") or set(), modules_of(room)
    assert said == held, (
        f"the line `Read:` of csvkafka/{room}/__init__.py names each module of the room once; "
        f"missing: {listed(held - said)}; not there: {listed(said - held)}"
    )


# kafka-python is mended before any module of the room imports it.
MENDED = {"kafka": ["from csvkafka.kafka import mended"]}


@pytest.mark.parametrize("room", rooms())
def test_a_rooms_init_imports_nothing(room: str) -> None:
    after_docstring = [ast.unparse(statement) for statement in init_of(room).body[1:]]
    assert after_docstring == MENDED.get(room, []), (
        f"csvkafka/{room}/__init__.py holds its docstring and nothing else"
    )


def boxes(kind: str) -> dict[str, set[str]]:
    """The picture's boxes of that kind, and the words that are written large in each."""
    drawn = ElementTree.parse(ROOT / "docs" / "rooms.svg").getroot()
    return {
        box.attrib[f"data-{kind}"]: {
            word
            for text in box.findall("{*}text[@class='name']")
            for word in (text.text or "").split()
        }
        for box in drawn.iterfind(".//{*}g")
        if f"data-{kind}" in box.attrib
    }


def test_the_picture_shows_every_room_by_its_name_and_no_other() -> None:
    drawn = boxes("room")
    assert set(drawn) == set(outer_rooms()), (
        "docs/rooms.svg has a box for each room that is in no other, and for nothing else"
    )
    for room, words in drawn.items():
        assert words == {room.rpartition("/")[2]}


def test_the_picture_shows_every_module_that_stands_in_no_room() -> None:
    drawn = {name: words for names, words in boxes("module").items() for name in names.split()}
    assert set(drawn) == {path.name for path in PACKAGE.glob("[a-z]*.py")}
    assert all(name in words for name, words in drawn.items())


def test_the_picture_names_every_command() -> None:
    text = (ROOT / "docs" / "rooms.svg").read_text("utf-8")
    (listed_there,) = re.findall(r">one module a command: (.+)</text>", text)
    assert listed_there.split(", ") == list(COMMANDS)


def test_the_picture_is_drawn_for_light_and_dark() -> None:
    text = (ROOT / "docs" / "rooms.svg").read_text("utf-8")
    light, dark = re.findall(r"svg \{ (--page: .*) \}", text)
    assert "@media (prefers-color-scheme: dark)" in text
    assert re.findall(r"--\w+", light) == re.findall(r"--\w+", dark)
    assert set(re.findall(r"var\((--\w+)\)", text)) == set(re.findall(r"--\w+", light))


RULE = (
    "a test may import from csvkafka what has no underscore, and what has one only from its own "
    "room's modules; from other folders of tests it may import helpers, but no test module, no "
    "conftest and no underscore. Make the name public, test it by what is public, or move the test"
)

# A program that plants a defect into the loader reaches for where it hurts.
PLANTS = {"tests/recovery/broken_worker.py"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def private_imports(path: Path, folder: str) -> list[str]:
    """What the file imports against the rule; `folder` is where it stands, such as tests/unit/kafka
    (of the room csvkafka/kafka)."""
    own_room = folder.removeprefix("tests/unit/").replace("/", ".")
    foreign = []
    for module, name in imports_of(path):
        parts = module.split(".")
        if parts[0] == "csvkafka":
            own = f"{module}.".startswith(f"csvkafka.{own_room}.")
            wrong = not own and any(map(is_private, (*parts, name)))
        else:
            own = module == folder.replace("/", ".") or (
                ".".join(parts[:-1]) == folder.replace("/", ".")
            )
            tests = any(part.startswith("test_") or part == "conftest" for part in (*parts, name))
            wrong = not own and (tests or any(map(is_private, (*parts, name))))
        if wrong:
            foreign.append(f"{module}: {name}" if name else module)
    return foreign


def test_no_test_imports_what_is_private_to_another_room() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): foreign
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (foreign := private_imports(path, path.parent.relative_to(ROOT).as_posix()))
    }
    assert {name: found[name] for name in found if name not in PLANTS} == {}, RULE


def test_private_imports_are_found(tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(
        "from csvkafka.kafka.sink import KafkaSink, _Lane\n"
        "from csvkafka.kafka._wire import read\n"
        "from csvkafka.ledger.item import _decode\n"
        "from csvkafka import __version__\n"
        "from tests.unit.kafka.scripted_broker import scripted_broker\n"
        "from tests.unit.kafka.test_sink import KEY\n"
        "from tests.unit.kafka import test_sink\n"
        "from tests.unit.ledger.conftest import table\n"
    )
    assert private_imports(test, "tests/unit/ledger") == [
        "csvkafka.kafka.sink: _Lane",
        "csvkafka.kafka._wire: read",
        "tests.unit.kafka.test_sink: KEY",
        "tests.unit.kafka: test_sink",
    ]
    assert private_imports(test, "tests/unit/kafka") == [
        "csvkafka.ledger.item: _decode",
        "tests.unit.ledger.conftest: table",
    ]
