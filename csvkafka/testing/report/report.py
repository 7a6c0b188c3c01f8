"""A self-contained HTML page of what ran: no script, no network; light and dark, wide and narrow.

`judgement_page` is for one judged loader, `runs_page` for many runs (a session of recovery tests).
What is drawn comes from the history's events; `python -m csvkafka.testing.report history.jsonl
page.html` makes a page of a saved one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csvkafka import __version__
from csvkafka.errors import StackError
from csvkafka.testing.checker.verdict import Anomaly, AnomalyKind, Verdict
from csvkafka.testing.history import History
from csvkafka.testing.report.chart import COLOURS, Drawing, Story, draw, read_story

if TYPE_CHECKING:
    from csvkafka.testing.judging.judgement import Judgement

WIDE = (1040, 400)
NARROW = (380, 300)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under a header; `numeric` are the columns that are aligned to the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """One run on a page: its drawings, tables and texts. `good` None: nobody judged it."""

    title: str
    good: bool | None
    answer: str
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[tuple[str, Table], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """`figures` are (label, value, is it bad?); sections are folded if there are several."""

    title: str
    subtitle: str
    good: bool | None
    answer: str
    figures: tuple[tuple[str, str, bool], ...]
    sections: tuple[Section, ...]
    overview: Table | None = None
    made: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


@dataclass(frozen=True, slots=True)
class Run:
    """One run for `runs_page`. `outcome` is a word such as passed or failed."""

    name: str
    outcome: str
    seconds: float
    history: History
    row_count: int | None = None

    @property
    def is_good(self) -> bool:
        """It passed."""
        return self.outcome == "passed"


def render(page: Page) -> str:
    """The page as HTML. Raises StackError if jinja2 is not installed."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise StackError(
            "a report needs jinja2; install it with: pip install 'csvkafka[testing]'"
        ) from error
    environment = Environment(
        loader=PackageLoader("csvkafka.testing.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    return template.render(page=page, colours=range(COLOURS), version=__version__)


def write_page(path: Path, page: Page) -> None:
    """Writes the page."""
    path.write_text(render(page), encoding="utf-8")


def judgement_page(judgement: Judgement, history: History) -> Page:
    """The page of one judged loader."""
    worst = _worst(judgement.verdicts)
    story = read_story(history.events())
    lives = Table(
        ("#", "end", "new rows", "repeated", "took", "first new row after"),
        tuple(
            (
                str(life.number),
                life.end,
                f"{life.rows_new:,}",
                f"{life.rows_repeated:,}",
                f"{life.seconds:.1f} s",
                "" if life.first_row_seconds is None else f"{life.first_row_seconds:.2f} s",
            )
            for life in judgement.lives
        ),
        frozenset((2, 3, 4, 5)),
    )
    texts = [("Problem", problem) for problem in judgement.problems]
    texts += [("Note", note) for note in judgement.notes]
    section = Section(
        "What happened",
        judgement.is_clean,
        "",
        _drawings(story, judgement.row_count, [a for v in worst for a in v.anomalies]),
        (("Incarnations", lives), *_anomaly_tables(judgement.verdicts)),
        tuple(texts),
    )
    return Page(
        title="Every row once, in order?",
        subtitle=judgement.command,
        good=judgement.is_clean,
        answer="Clean" if judgement.is_clean else "Not clean",
        figures=(
            ("rows", f"{judgement.row_count:,}", False),
            *_anomaly_figures(worst),
            ("killed, paused", f"{judgement.kills}, {judgement.pauses}", False),
            ("sent again", f"{judgement.rows_repeated:,}", judgement.rows_repeated > 0),
            ("rows/s", f"{judgement.rows_per_second:,.0f}", False),
        ),
        sections=(section,),
    )


def verdict_page(
    title: str,
    subtitle: str,
    history: History,
    row_count: int,
    verdicts: Mapping[Any, Verdict],
    figures: Sequence[tuple[str, str, bool]] = (),
) -> Page:
    """The page of one run with the checker's answers by isolation level."""
    story, worst = read_story(history.events()), _worst(verdicts)
    good = all(verdict.is_clean for verdict in verdicts.values())
    section = Section(
        "What happened",
        good,
        "",
        _drawings(story, row_count, [a for v in worst for a in v.anomalies]),
        (("Incarnations", _lives_table(story)), *_anomaly_tables(verdicts)),
    )
    return Page(
        title,
        subtitle,
        good,
        "Clean" if good else "Not clean",
        (
            ("rows", f"{row_count:,}", False),
            *_anomaly_figures(worst),
            ("kills", f"{story.kills:,}", False),
            *figures,
        ),
        (section,),
    )


def runs_page(title: str, subtitle: str, runs: Sequence[Run]) -> Page:
    """The page of many runs: a table of all, and each run's drawing."""
    stories = [read_story(run.history.events()) for run in runs]
    failed = sum(not run.is_good for run in runs)
    overview = Table(
        ("run", "outcome", "incarnations", "kills", "faults", "rows", "took"),
        tuple(
            (
                run.name,
                run.outcome,
                str(len(story.lives)),
                str(story.kills),
                ", ".join(sorted({fault.label for fault in story.faults})),
                "" if run.row_count is None else f"{run.row_count:,}",
                f"{run.seconds:.1f} s",
            )
            for run, story in zip(runs, stories, strict=True)
        ),
        frozenset((2, 3, 5, 6)),
    )
    return Page(
        title=title,
        subtitle=subtitle,
        good=failed == 0,
        answer="All passed" if failed == 0 else f"{failed} of {len(runs)} failed",
        figures=(
            ("runs", f"{len(runs):,}", False),
            ("failed", f"{failed:,}", failed > 0),
            ("incarnations", f"{sum(len(story.lives) for story in stories):,}", False),
            ("kills", f"{sum(story.kills for story in stories):,}", False),
            ("took", f"{sum(run.seconds for run in runs):,.0f} s", False),
        ),
        sections=tuple(
            Section(
                run.name,
                run.is_good,
                run.outcome,
                _drawings(story, run.row_count, ()),
                (("Incarnations", _lives_table(story)),),
            )
            for run, story in zip(runs, stories, strict=True)
        ),
        overview=overview,
    )


def _drawings(
    story: Story, row_count: int | None, anomalies: Sequence[Anomaly]
) -> tuple[Drawing, ...]:
    if not story.lives:
        return ()
    return tuple(draw(story, *size, row_count, anomalies) for size in (WIDE, NARROW))


def _lives_table(story: Story) -> Table:
    return Table(
        ("#", "process", "from", "to", "end", "records then"),
        tuple(
            (
                str(life.number),
                str(life.pid),
                f"{life.start:.2f} s",
                f"{life.end:.2f} s",
                _end(life.return_code),
                f"{story.rows_at(life.end):,}",
            )
            for life in story.lives
        ),
        frozenset((1, 2, 3, 5)),
    )


def _end(return_code: int | None) -> str:
    if return_code is None:
        return "alive"
    if return_code == -9:
        return "killed"
    return f"signal {-return_code}" if return_code < 0 else f"exit {return_code}"


def _worst(verdicts: Mapping[Any, Verdict]) -> list[Verdict]:
    """The verdict of the reader that sees most anomalies, if there is any."""
    by_count = sorted(verdicts.values(), key=lambda v: sum(a.count for a in v.anomalies))
    return by_count[-1:]


def _anomaly_figures(worst: Sequence[Verdict]) -> list[tuple[str, str, bool]]:
    named = (
        ("lost", AnomalyKind.LOST_ROW),
        ("duplicated", AnomalyKind.DUPLICATE_ROW),
        ("out of order", AnomalyKind.REORDERED_ROW),
    )
    counts = [(label, sum(v.count(kind) for v in worst)) for label, kind in named]
    known = {kind for _, kind in named}
    other = sum(a.count for v in worst for a in v.anomalies if a.kind not in known)
    if other:
        counts.append(("other anomalies", other))
    return [(label, f"{count:,}", count > 0) for label, count in counts]


def _anomaly_tables(verdicts: Mapping[Any, Verdict]) -> list[tuple[str, Table]]:
    header = ("anomaly", "count", "first places")
    return [
        (
            f"What {isolation} readers see",
            Table(
                header,
                tuple(
                    (
                        str(anomaly.kind),
                        f"{anomaly.count:,}",
                        "; ".join(str(place) for place in anomaly.places[:3]),
                    )
                    for anomaly in verdict.anomalies
                ),
                frozenset((1,)),
            ),
        )
        for isolation, verdict in verdicts.items()
        if verdict.anomalies
    ]
