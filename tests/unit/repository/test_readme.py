"""The README's table of settings is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from csvkafka.config.settings import SETTINGS

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| (.*) \| (.*?) \|$", re.MULTILINE)


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = {variable: default for variable, _, default in ROW.findall(README)}
    for setting in SETTINGS:
        shown = "required" if setting.required else f"`{setting.default}`"
        assert rows.pop(setting.variable) == ("" if shown == "`None`" else shown)
    assert rows == {}


def test_the_table_says_what_help_says() -> None:
    rows = {variable: meaning for variable, meaning, _ in ROW.findall(README)}
    for setting in SETTINGS:
        choices = ", ".join(f"`{choice}`" for choice in setting.choices)
        said = f"{setting.help} One of {choices}." if choices else setting.help
        assert rows[setting.variable].startswith(said), setting.variable
