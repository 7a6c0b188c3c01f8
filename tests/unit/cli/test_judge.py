"""`csvkafka judge`: what is wrong on its command line ends with 2, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.cli.program import main

TYPED = str(Path(__file__).parents[3] / "examples" / "typed_columns.toml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--command"),
        (["--command", "no-such-program-anywhere"], "there is no program"),
        (["--command", ""], "the command is empty"),
        (["--command", "cat {bukket}"], "there is no placeholder {bukket}"),
        (["--command", "cat", "--env", "NAME"], "NAME=VALUE"),
        (["--command", "cat", "--stack", "nowhere"], "nowhere"),
        (["--command", "cat", "--rows", "0"], "--rows"),
        (["--command", "cat", "--csv-columns", "no.toml"], "--csv-columns: cannot read"),
        (["--command", "cat", "--csv-columns", TYPED, "--preset", "wide"], "there are id, key, c3"),
        (["--command", "cat", "--schema-registry-url", "http://h"], "give --csv-columns too"),
    ],
)
def test_wrong_command_lines(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["judge", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
