"""The README's table of settings is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from csvkafka.config.settings import SETTINGS

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \|.*\| (.*?) \|$", README, re.MULTILINE))
    for setting in SETTINGS:
        shown = "required" if setting.required else f"`{setting.default}`"
        assert rows.pop(setting.variable) == ("" if shown == "`None`" else shown)
    assert rows == {}
