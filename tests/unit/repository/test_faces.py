"""The public names: this list, each with a docstring, and documents and examples use no others.

A name that is added to a face, or taken from it, is added here too: users have it from then on.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.repository.markdown import ROOT, blocks, documents, name_of

PUBLIC = {
    "csvkafka": """
        CSVToKafkaProcessor CheckpointManager JobResult Observer Step CsvKafkaError
        ConfigError ConfigChangedError SourceChangedError TopicChangedError
        SourceError SourceNotFoundError SourceReadError SourceCorruptError MalformedRowError
        RecordTooLargeError UserFunctionError CheckpointError CheckpointFileError
        CheckpointUnavailableError
        ItemUnusableError ItemLostError JobOwnedError FencedError
        SinkError SinkUnavailableError SinkRefusedError DeliveryError SequenceError
        RecoveryError TopicTruncatedError TailGapError TailDeletedError
        EncodeWorkerError StackError StoppedError
    """,
    "csvkafka.testing": """
        judge JudgePlan JudgeView Judgement Life LoaderCommand RecoveryCase CrashPoint History
        check read_rows TopicRecord Expectation SizeLimit IdentifyBy documented_record
        documented_row Verdict Anomaly AnomalyKind Place CheckpointObservation Isolation
        CsvSpec preset write_csv CsvFile csv_files hostile_csvs csv_bytes chunkings
        Proxy InjectedFault Fault Direction Cut Delay Drop FlipByte Hold ResetAfter
        ResetConnection Throttle
        Stack EmbeddedStack ContainerStack ExternalStack
    """,
    "csvkafka.processor": "CSVToKafkaProcessor main",
    "csvkafka.checkpoint": "CheckpointManager",
}
FACES = ("csvkafka", "csvkafka.testing")
RULE = (
    "users import from csvkafka, csvkafka.testing, csvkafka.processor (CSVToKafkaProcessor, main) "
    "and csvkafka.checkpoint (CheckpointManager); give the name a place in a face, or use another"
)

# What only some programs need is brought by these names alone.
HEAVY = {"docker", "hypothesis", "jinja2", "moto", "pytest", "testcontainers"}
BRING_IT = {"ContainerStack", "CsvFile", "csv_files", "hostile_csvs", "csv_bytes", "chunkings"}

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
DOTTED = re.compile(r"(?<![\w/.-])csvkafka(?:\.[A-Za-z_]\w*)+(?!\w*/)")
AS_COMMAND = re.compile(r"-m (csvkafka[\w.]*)")


def public_names(module: str) -> set[str]:
    return set(PUBLIC[module].split())


def source_of(face: str) -> ast.Module:
    return ast.parse(Path(importlib.import_module(face).__file__ or "").read_text("utf-8"))


@pytest.mark.parametrize("face", FACES)
def test_a_face_offers_the_public_names_and_no_others(face: str) -> None:
    module = importlib.import_module(face)
    assert set(module.__all__) == public_names(face)
    assert public_names(face) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"'{face}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("face", FACES)
def test_type_checkers_are_told_the_same_names_in_the_same_modules(face: str) -> None:
    """They read the imports under TYPE_CHECKING; the program goes by the face's table."""
    told = {
        name.name: node.module
        for node in ast.walk(source_of(face))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("csvkafka")
        for name in node.names
    }
    assert set(told) == public_names(face)
    for name, home in told.items():
        assert getattr(importlib.import_module(face), name) is getattr(
            importlib.import_module(str(home)), name
        )


@pytest.mark.parametrize("module", PUBLIC)
def test_each_public_name_and_each_of_its_methods_has_a_docstring(module: str) -> None:
    without = []
    for name in sorted(public_names(module)):
        value = getattr(importlib.import_module(module), name)
        members = inspect.getmembers_static(value) if inspect.isclass(value) else []
        documented = [(name, value)] + [
            (f"{name}.{member}", getattr(value, member))
            for member, found in members
            if not member.startswith("_")
            and isinstance(found, (property, classmethod, staticmethod, type(public_names)))
        ]
        without += [each for each, found in documented if not inspect.getdoc(found)]
    assert without == [], "a public name has a docstring: one sentence, what it promises, Raises"


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module and name of each import from csvkafka; the name is "" for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def foreign_imports(text: str) -> list[str]:
    return [
        f"{module} {name}".strip()
        for module, name in imported_names(ast.parse(text))
        if module.split(".")[0] == "csvkafka"
        and name not in ({"", *public_names(module)} if module in PUBLIC else ())
    ]


def foreign_paths(text: str) -> list[str]:
    """Dotted names in a document that are neither public nor run by `python -m`."""
    allowed = {
        *PUBLIC,
        *(f"{module}.{name}" for module in PUBLIC for name in public_names(module)),
        *AS_COMMAND.findall(text),
    }
    return [path for path in DOTTED.findall(text) if path not in allowed]


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_documents_name_and_import_public_paths_only(document: Path) -> None:
    for block in blocks(document, "python"):
        assert foreign_imports(block.text) == [], f"line {block.line}: {RULE}"
    assert foreign_paths(document.read_text("utf-8")) == [], RULE


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_examples_import_public_paths_only(example: Path) -> None:
    assert foreign_imports(example.read_text("utf-8")) == [], RULE


def test_other_paths_are_found() -> None:
    assert foreign_imports(
        "from csvkafka.processor import CSVToKafkaProcessor, run_load\n"
        "from csvkafka.testing.judging.judge import judge\n"
        "import csvkafka.model\nimport csvkafka, csvkafkaesque\n"
    ) == [
        "csvkafka.processor run_load",
        "csvkafka.testing.judging.judge judge",
        "csvkafka.model",
    ]
    assert foreign_paths(
        "`csvkafka.testing.judge`, `csvkafka.retry`, csvkafka.testing.report (`python -m "
        "csvkafka.testing.report`), `csvkafka.testing.judges`. csvkafka. csvkafka/model.py"
    ) == ["csvkafka.retry", "csvkafka.testing.judges"]


@pytest.mark.parametrize("face", FACES)
def test_no_module_shadows_a_public_name(face: str) -> None:
    """Importing `face.x` makes x an attribute of the face, in place of what its table says."""
    folder = Path(importlib.import_module(face).__file__ or "").parent
    assert public_names(face) & {path.stem for path in folder.iterdir()} == set()


def test_judge_is_the_function_whatever_was_imported_before() -> None:
    importlib.import_module("csvkafka.testing.judging.judge")
    assert callable(importlib.import_module("csvkafka.testing").judge)


def loaded_after(code: str) -> set[str]:
    """All modules that are loaded then, in a new process that has loaded nothing by itself: -S
    leaves out the .pth files of the environment, some of which import modules."""
    begins = f"import sys; sys.path[:] = {sys.path!r}"
    command = [sys.executable, "-S", "-P", "-c", f"{begins}\n{code}\nprint(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_importing_a_face_imports_nothing_else_of_csvkafka() -> None:
    loaded = loaded_after("import csvkafka")
    assert {name for name in loaded if name.startswith("csvkafka")} == {"csvkafka"}
    assert "typing" not in loaded
    loaded = loaded_after("import csvkafka.testing")
    assert {name for name in loaded if name.startswith("csvkafka")} == set(FACES)


def test_the_errors_come_without_aws_and_kafka() -> None:
    assert {"boto3", "botocore", "kafka"} & loaded_after("from csvkafka import CsvKafkaError") == (
        set()
    )


def test_what_is_heavy_comes_with_its_own_names_only() -> None:
    names = sorted(public_names("csvkafka.testing") - BRING_IT)
    loaded = loaded_after(f"from csvkafka.testing import {', '.join(names)}")
    assert loaded & HEAVY == set()
