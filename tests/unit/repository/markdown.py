"""The documentation as tests see it: its files, and the fenced blocks and links in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)|\bsrc(?:set)?=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, text, and the line where its text begins."""

    language: str
    text: str
    line: int


def documents() -> list[Path]:
    """All Markdown files that users read."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def blocks(document: Path, *languages: str) -> list[Block]:
    """The blocks of these languages, in order."""
    text = document.read_text("utf-8")
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 2)
        for match in FENCE.finditer(text)
        if match[1] in languages
    ]


def links(document: Path) -> list[str]:
    """Targets of links to other files of the project, pictures too."""
    targets = [link or picture for link, picture in LINK.findall(prose(document))]
    return [target for target in targets if "://" not in target]


def prose(document: Path) -> str:
    """What stands outside of fenced blocks."""
    return FENCE.sub("", document.read_text("utf-8"))


def anchors(document: Path) -> set[str]:
    """What a link to a heading of the document may name after `#`, as GitHub makes it."""
    headings = (
        LINK.sub(lambda link: link[0].partition("]")[0], heading)
        for heading in HEADING.findall(prose(document))
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
