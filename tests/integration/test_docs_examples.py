"""The Python examples of the documentation run as they stand.

They find what `csvkafka local` exports: a stack, a bucket that holds the CSV, a topic, and a table,
by the variables of the loader. A document's examples run one after another as one program; one that
is a test (`def test_`) is run by pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.loads import LoadPlace
from tests.unit.markdown import blocks, documents, name_of

WITH_EXAMPLES = [document for document in documents() if blocks(document, "python")]


def run(*arguments: str, folder: Path, place: LoadPlace) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=folder,
        env={**os.environ, **place.settings()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=name_of)
def test_examples_run(document: Path, place: LoadPlace, tmp_path: Path) -> None:
    place.put(b"id,name\n1,Ada\n2,Grace\n")
    program = ""
    for block in blocks(document, "python"):
        if "def test_" in block.text:
            test = tmp_path / f"test_line_{block.line}.py"
            test.write_text(block.text)
            run("-m", "pytest", "-q", test.name, folder=tmp_path, place=place)
        else:
            # Blank lines before it, so that a traceback names the document's own lines.
            program = program.ljust(len(program) + block.line - 1 - program.count("\n"), "\n")
            program += block.text
    if program:
        example = tmp_path / f"{document.stem}.py"
        example.write_text(program)
        run(example.name, folder=tmp_path, place=place)
