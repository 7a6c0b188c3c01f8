"""Coverage-guided fuzzing of the compiled encoder: `nox -s fuzz`, or

    python -m tests.fuzz.encoder [FOLDER OF FOUND INPUTS] -runs=1000000

Each input is eight bytes of choices and a block; what the compiled way makes of it is compared with
the reference way, by whose coverage inputs are chosen. What differs ends the run, and the input is
written to a file, whose name as the only argument runs it again.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["csvkafka.rows", "csvkafka.encode"]):
    from tests.unit.encode.compiled_case import case_of, check

CHOICE_BYTES = 8


def one_input(data: bytes) -> None:
    """Compares the two ways on one input of the fuzzer."""
    choices, block = data[:CHOICE_BYTES], data[CHOICE_BYTES:]
    if choices[:1] < b"\xf0":  # most are to be text
        block = block.decode("utf-8", "replace").encode()
    check(case_of(choices, block))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
