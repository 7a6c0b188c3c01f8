"""How findings are shown: a line each for people, one JSON object for programs.

On a terminal the cases of a probe are a table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from csvkafka.cli.doctor.findings import Finding, Mark
from csvkafka.config.spelling import Form, spelled

RECORD_CHARACTERS = 300

_COLORS = {Mark.OK: "green", Mark.WARNING: "yellow", Mark.ERROR: "red", Mark.SKIPPED: None}


def print_line(finding: Finding) -> None:
    """`ok       source    s3://… (by …)`."""
    mark = click.style(f"{finding.mark:<8}", fg=_COLORS[finding.mark])
    how = f" ({finding.how})" if finding.how else ""
    text = finding.text
    if finding.part != "record" or finding.mark is Mark.ERROR:
        text = spelled(" ".join(text.split()), Form.OPTION)
    click.echo(f"{mark} {finding.part:<9} {_shortened(text, finding)}{how}")


def _shortened(text: str, finding: Finding) -> str:
    """A record may be as long as its row: of that the beginning is enough to see."""
    if finding.part != "record" or finding.mark is Mark.ERROR or len(text) <= RECORD_CHARACTERS:
        return text
    return f"{text[:RECORD_CHARACTERS]}… ({len(text)} characters)"


def print_cases(findings: Sequence[Finding]) -> None:
    """What the probe was answered, as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column()
    table.add_column("case", no_wrap=True)
    table.add_column("sent → answer, and what that means for a load")
    for finding in findings:
        if (case := finding.case) is not None:
            mark = f"[{_COLORS[finding.mark] or 'default'}]{finding.mark}[/]"
            table.add_row(mark, case.case, f"{case.sent} → {case.answer}\n{case.meaning}")
    Console().print(table)


def print_json(findings: Sequence[Finding]) -> None:
    """`{"can_begin": true, "findings": [{"mark": …, "part": …, "text": …, "how": …}, …]}`; a
    finding of the probe has its `case` too."""
    can_begin = all(finding.mark is not Mark.ERROR for finding in findings)
    rows = [
        {name: value for name, value in asdict(finding).items() if value is not None}
        for finding in findings
    ]
    report = {"can_begin": can_begin, "findings": rows}
    click.echo(json.dumps(report, ensure_ascii=False))
