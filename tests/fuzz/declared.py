"""Coverage-guided fuzzing of the compiled encoder by declared tables: `nox -s fuzz`, or

    python -m tests.fuzz.declared [FOLDER OF FOUND INPUTS] -runs=1000000

Each input is eight bytes of choices, which decide the table, and a block. Where the compiled way
takes it, the reference way must make the same. What differs ends the run, as in `encoder`.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["csvkafka.schema", "csvkafka.encode"]):
    from tests.unit.encode.declared_case import declared_case_of

CHOICE_BYTES = 8


def one_input(data: bytes) -> None:
    """Compares the two ways on one input of the fuzzer."""
    choices, block = data[:CHOICE_BYTES], data[CHOICE_BYTES:]
    declared_case_of(choices, block.decode("utf-8", "replace").encode())


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
