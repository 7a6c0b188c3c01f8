"""`csvkafka judge`: what is wrong on its command line ends with 2, before anything is started."""

from __future__ import annotations

import pytest

from csvkafka.cli.program import main


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
    ],
)
def test_wrong_command_lines(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["judge", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
