"""What encode workers cannot be given, or cannot do, is refused with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from csvkafka.errors import ConfigError
from csvkafka.pipeline.encode_workers import check_portable
from tests.refusals import refusal


def test_a_function_that_only_this_process_knows_is_refused() -> None:
    check_portable(dict)  # type: ignore[arg-type]
    with refusal(ConfigError, r"ENCODE_WORKERS .*top of a module"):
        check_portable(lambda row, _: row)


LOADS_AS_IT_IS_IMPORTED = """
from csvkafka import CheckpointManager, CSVToKafkaProcessor

if __name__ == "__main__":
    from csvkafka.pipeline.encode_workers import encode_workers

    with encode_workers(1) as pool:
        pool.submit(int).result()
else:  # run by a fresh process, which gives it another name
    manager = CheckpointManager("t", "j")
    CSVToKafkaProcessor("data", "rows.csv", "127.0.0.1:1", "rows", manager).process()
"""


def test_a_program_that_loads_when_it_is_merely_run_is_told(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(LOADS_AS_IT_IS_IMPORTED)
    ended = subprocess.run(
        [sys.executable, program],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert 'must be called under `if __name__ == "__main__":`' in ended.stderr
