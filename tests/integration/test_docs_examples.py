"""The Python examples of the documentation run.

The documentation's example names stand for a bucket that holds a CSV, a topic and a table, which
the loader's variables name too. A document's examples run one after another as one program; one
that is a test (`def test_`) is run by pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.loads import LoadPlace
from tests.unit.repository.markdown import blocks, documents, name_of

WITH_EXAMPLES = [document for document in documents() if blocks(document, "python")]


def with_real_names(text: str, place: LoadPlace) -> str:
    names = {
        "my-data-bucket": place.bucket,
        "csv-import": place.topic,
        "csv-kafka-checkpoint": place.table,
        "localhost:9092": place.stack.bootstrap_servers,
        "b-1.msk.com:9092,b-2.msk.com:9092": place.stack.bootstrap_servers,
    }
    for example, real in names.items():
        text = text.replace(example, real)
    return text


def run(*arguments: str, folder: Path, place: LoadPlace) -> None:
    # The `python` of an example is the one that has csvkafka, as in an activated environment.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    ended = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=folder,
        env={**os.environ, **place.settings(), "PATH": path},
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
        text = with_real_names(block.text, place)
        if "def test_" in text:
            test = tmp_path / f"test_line_{block.line}.py"
            test.write_text(text)
            run("-m", "pytest", "-q", test.name, folder=tmp_path, place=place)
        else:
            # Blank lines before it, so that a traceback names the document's own lines.
            program = program.ljust(len(program) + block.line - 1 - program.count("\n"), "\n")
            program += text
    if program:
        example = tmp_path / f"{document.stem}.py"
        example.write_text(program)
        run(example.name, folder=tmp_path, place=place)
