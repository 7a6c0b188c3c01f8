"""What the commands say of a load's progress: texts from numbers, on a terminal that may go."""

from __future__ import annotations

import io
import sys

import pytest

from csvkafka.cli.load_view import QuietStream
from csvkafka.cli.output import bytes_text, duration_text
from csvkafka.process.logs import let_go_of_output


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1_234_567, "1.23 MB"),
     (999_700, "1 MB"), (67_400_000, "67.4 MB"), (5e12, "5 TB")],
)  # fmt: skip
def test_bytes_text(size: float, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (3.21, "3.2 s"), (42.4, "42 s"), (59.9, "1 min 00 s"), (98, "1 min 38 s"),
     (3599.8, "1 h 00 min"), (7500, "2 h 05 min"), (90_000, "1 d 01 h")],
)  # fmt: skip
def test_duration_text(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_quiet_stream_hides_what_goes_wrong_with_its_stream() -> None:
    quiet = QuietStream(Broken())
    assert quiet.write("text") == 4
    quiet.flush()
    working = io.StringIO()
    QuietStream(working).write("text")
    assert working.getvalue() == "text"


def test_output_without_a_file_behind_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Broken())
    monkeypatch.setattr(sys, "stderr", None)
    let_go_of_output()
