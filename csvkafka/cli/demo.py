"""`csvkafka demo`: the promise, shown on a stack of its own."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from csvkafka.cli.output import bytes_text, count_text, duration_text, watching

if TYPE_CHECKING:
    from csvkafka.testing.history import History
    from csvkafka.testing.judging.demo import DemoResult

EPILOG = """
\b
Examples:
  csvkafka demo                              a million rows, three kills
  csvkafka demo --rows 100000 --kills 10
  csvkafka demo --seed 7                     another file, killed at other places
  csvkafka demo --checkpoint sqlite          without S3 and DynamoDB: Kafka and two files

The first one on a machine fetches 45 MB of jars. Ctrl-C ends it; nothing is left behind.

Exit codes: 0 every row once and in order, 1 anything is wrong.
"""


DYNAMODB, SQLITE = "dynamodb", "sqlite"


@click.command("demo", epilog=EPILOG)
@click.option(
    "--rows", type=click.IntRange(1), default=1_000_000, show_default=True, help="Rows of the CSV."
)
@click.option(
    "--kills",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="How often the loader gets SIGKILL.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Decides the file's content and the places of the kills.",
)
@click.option(
    "--checkpoint",
    type=click.Choice([DYNAMODB, SQLITE]),
    default=DYNAMODB,
    show_default=True,
    help="Where checkpoints go; sqlite: to a file, and the CSV is loaded from where it is.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page too.")
@click.option("--plain", is_flag=True, help="Lines only, on a terminal too.")
def command(
    rows: int, kills: int, seed: int, checkpoint: str, report: Path | None, plain: bool
) -> int:
    """Loads a CSV into a real Kafka broker, kills the loader on the way, and judges the topic.

    Starts Kafka, S3 and DynamoDB on this machine (needs csvkafka[local]), makes a CSV with quoted
    fields, newlines in fields and Unicode, and loads it by a child process that gets SIGKILL and is
    started again. Then every record of the topic is compared with every row of the file.
    """
    from csvkafka.local.stack import EmbeddedStack
    from csvkafka.testing.history import History
    from csvkafka.testing.judging.demo import DemoPlan, run_demo

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with_aws = checkpoint == DYNAMODB
    plan = DemoPlan(rows, kills, seed, with_aws=with_aws)
    begun_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="csvkafka-demo-") as folder, watching(plain) as view:
        view.phase("starting Kafka" + ", S3 and DynamoDB" * with_aws, 0)
        with EmbeddedStack(has_aws=with_aws) as stack:
            seconds = time.monotonic() - begun_at
            servers = f"Kafka {stack.bootstrap_servers}"
            if with_aws:
                servers += f", S3 and DynamoDB {stack.aws_endpoint_url}"
            view.say(f"{servers}: started in {duration_text(seconds)}")
            history = None if report is None else History()
            result = run_demo(plan, stack, view, Path(folder), history)
    for line in _summary(result, time.monotonic() - begun_at):
        click.echo(line)
    if report is not None and history is not None:
        _write_report(report, result, history)
    return 0 if result.is_clean else 1


def _write_report(path: Path, result: DemoResult, history: History) -> None:
    from csvkafka.testing.report.report import verdict_page, write_page

    plan = result.plan
    page = verdict_page(
        "A load that was killed on the way",
        f"csvkafka demo --rows {plan.row_count} --kills {plan.kills} --seed {plan.seed}"
        + f" --checkpoint {SQLITE}" * (not plan.with_aws),
        history,
        plan.row_count,
        result.verdicts,
        (("rows/s", count_text(result.rows_per_second), False),),
    )
    write_page(path, page)
    click.echo(f"report: {path}")


def _summary(result: DemoResult, seconds: float) -> list[str]:
    from csvkafka.testing.checker.verdict import AnomalyKind

    plan = result.plan
    resumes = [life.first_row_seconds for life in result.lives[1:] if life.first_row_seconds]
    found = min(verdict.rows_found for verdict in result.verdicts.values())
    lines = [
        "",
        f"rows          {count_text(found)} of {count_text(plan.row_count)} "
        f"({bytes_text(result.source_bytes)} of CSV)",
        f"lost          {count_text(result.count(AnomalyKind.LOST_ROW))}",
        f"duplicated    {count_text(result.count(AnomalyKind.DUPLICATE_ROW))}",
        f"out of order  {count_text(result.count(AnomalyKind.REORDERED_ROW))}",
        f"kills         {result.kills}"
        + (
            f" (of {plan.kills}: the load was done before the others)" * (result.kills < plan.kills)
        ),
        f"speed         {count_text(result.rows_per_second)} rows/s over "
        f"{duration_text(result.load_seconds)}, {len(result.lives)} process starts included",
    ]
    if resumes:
        lines.append(
            f"a resume      {max(resumes):.2f} s at most from process start to the first new row; "
            f"{count_text(sum(life.rows_sent_again for life in result.lives))} rows sent again"
        )
    lines.append("")
    if result.is_clean:
        readers = " and ".join(result.verdicts)
        lines.append(f"CLEAN: every row is there once, in order, for {readers} readers.")
    else:
        for isolation, verdict in result.verdicts.items():
            lines += [f"{isolation} readers:", *str(verdict).splitlines()]
    lines.append(f"({duration_text(seconds)} in all)")
    return lines
