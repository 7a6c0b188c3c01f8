"""Coverage-guided fuzzing of the checker's compiled reading: `nox -s fuzz`, or

    python -m tests.fuzz.agreement [FOLDER OF FOUND INPUTS] -runs=1000000

Each input is four bytes of choices and a piece of a record's JSON, or of a records section. What
the compiled reading says of it is compared with what slow readings in Python say, by whose coverage
inputs are chosen. What differs ends the run, as in `encoder`.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["json", "csvkafka.testing.checker.batch_records"]):
    from tests.unit.testing.checker.agreement_case import check_bytes

if __name__ == "__main__":
    atheris.Setup(sys.argv, check_bytes)
    atheris.Fuzz()
