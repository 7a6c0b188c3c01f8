"""csvkafka's rooms as tests see them: their modules, what they say of themselves, who imports whom.

A room is a folder of csvkafka with modules; it is called by its path below csvkafka, such
as `kafka` or `testing/checker`. A module that stands in no room but in csvkafka or csvkafka.testing
itself counts as a room of its own here, except for the ground: the modules that all may import.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "csvkafka"
GROUND = frozenset(
    {"clock", "compiled", "errors", "exit_codes", "interfaces", "limits", "model", "retry"}
)
FACES = ("", "testing")


def rooms() -> list[str]:
    """All rooms but the two that are faces, csvkafka and testing."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    return sorted(name for folder in folders if (name := name_of(folder)) not in FACES)


def outer_rooms() -> list[str]:
    """Those in no other room. One inside of a room, such as cli/doctor, imports what that may."""
    return [room for room in rooms() if "/" not in room.removeprefix("testing/")]


def name_of(folder: Path) -> str:
    """`kafka`, `testing/checker`; "" for csvkafka itself."""
    return "" if folder == PACKAGE else folder.relative_to(PACKAGE).as_posix()


def modules_of(room: str) -> set[str]:
    """Names of the room's modules, and of the rooms in it."""
    folder = PACKAGE / room
    inner = {path.parent.name for path in folder.glob("*/*.py")}
    return inner | {path.stem for path in folder.glob("*.py")} - {"__init__"}


def docstring_of(room: str) -> str:
    """What its `__init__` says; "" if that is nothing."""
    return ast.get_docstring(init_of(room)) or ""


def init_of(room: str) -> ast.Module:
    """The room's `__init__`, parsed; empty if there is none."""
    path = PACKAGE / room / "__init__.py"
    return ast.parse(path.read_text("utf-8") if path.exists() else "")


def names_in(room: str, label: str) -> set[str] | None:
    """The names after `label:` in a room's docstring, without what is said of them in parentheses;
    None if there is no such line. The line may go on in others and ends with a full stop."""
    found = re.search(rf"^{label}: (.*?)\.$", docstring_of(room), re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    text = " ".join(re.sub(r"\([^)]*\)", "", found[1]).split())
    return {name.strip() for name in text.split(",")} - {"nothing", "nobody"}


def place_of(dotted: str) -> str:
    """The room, or the module in none, that `csvkafka.x.y` stands in; "the ground"."""
    parts = dotted.split(".")[1:]
    depth = 2 if parts[:1] == ["testing"] else 1
    place = "/".join(parts[:depth])
    return "the ground" if place in GROUND else place


@functools.cache
def imports_of(path: Path) -> tuple[tuple[str, str], ...]:
    """Module and name (or "") of each import from csvkafka and from tests in the file."""
    return tuple(_imports_in(path))


def _imports_in(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found = [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        else:
            continue
        yield from (each for each in found if each[0].split(".")[0] in ("csvkafka", "tests"))


@functools.cache
def imports_between_rooms() -> set[tuple[str, str]]:
    """(importer, imported), both rooms or modules in none."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent in (PACKAGE, PACKAGE / "testing") and path.name == "__init__.py":
            continue  # faces import for type checkers only
        importer = place_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for module, name in imports_of(path):
            inside = (PACKAGE.parent / Path(*module.split("."))).is_dir()
            imported = place_of(f"{module}.{name}" if inside else module)
            if imported not in (importer, "__version__"):
                found.add((importer, imported))
    return found
