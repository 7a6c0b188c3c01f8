"""The README says what is so: its settings are those of the code, its Python compiles."""

from __future__ import annotations

import re
from pathlib import Path

from csvkafka.settings import SETTINGS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \|.*\| (.*?) \|$", README, re.MULTILINE))
    for setting in SETTINGS:
        shown = "required" if setting.required else f"`{setting.default}`"
        assert rows.pop(setting.variable) == ("" if shown == "`None`" else shown)
    assert rows == {}


def test_python_blocks_compile() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_links_lead_to_files() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
