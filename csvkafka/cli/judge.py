"""`csvkafka judge`: any loader, killed and resumed on a real stack, and its topic compared."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from csvkafka.cli.output import bytes_text, count_text, duration_text, watching
from csvkafka.errors import ConfigError
from csvkafka.testing.inputs.csv_files import PRESETS
from csvkafka.testing.stacks.choice import KINDS

if TYPE_CHECKING:
    from csvkafka.testing.history import History
    from csvkafka.testing.judging.judgement import Judgement
    from csvkafka.testing.judging.plan import JudgePlan

EPILOG = """
\b
Examples:
  csvkafka judge --command 'python my_loader.py'
  csvkafka judge --command 'python my_loader.py' --kills 10 --seed 7 --report verdict.html
  csvkafka judge --command './load {bucket} {key} {bootstrap_servers} {topic}' --rows 200000
  csvkafka judge --command './load s3://{bucket}/{prefix} {topic}' --files 40
  csvkafka judge --command 'python my_loader.py' --csv-columns columns.toml
  csvkafka judge --command 'java -jar load.jar' --env STATE_FILE={folder}/state --pauses 2

The loader gets S3_BUCKET, S3_KEY (or S3_PREFIX), KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC,
DYNAMODB_TABLE, JOB_ID, and AWS_* for the stack, CSV_COLUMNS and SCHEMA_REGISTRY_URL where they are
given; or placeholders in its arguments: {bucket} {key} {prefix} {bootstrap_servers} {topic} {table}
{job_id} {endpoint_url} {columns} {registry}, and {folder}, an empty folder that outlives its kills.

Exit codes: 0 every row once and in order, 1 anything else, 2 the command line is wrong.
"""


@click.command("judge", epilog=EPILOG)
@click.option("--command", "command_line", required=True, help="The loader, as a shell splits it.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Its own variables.")
@click.option(
    "--rows", type=click.IntRange(1), default=50_000, show_default=True, help="Rows of the CSV."
)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default=None,
    help="What the CSV looks like, as in csvkafka generate (default: some of each quirk; with "
    "--csv-columns: typed).",
)
@click.option(
    "--files",
    type=click.IntRange(1),
    default=None,
    help="The CSV as so many objects under a prefix (S3_PREFIX), not as one (S3_KEY).",
)
@click.option(
    "--kills", type=click.IntRange(0), default=5, show_default=True, help="How often SIGKILL."
)
@click.option(
    "--pauses",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="How often SIGSTOP, a second one beside it, and SIGCONT.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Decides the file's content and when the loader is struck.",
)
@click.option(
    "--partitions", type=click.IntRange(1), default=1, show_default=True, help="Of each topic."
)
@click.option(
    "--csv-columns",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A declared table (TOML, docs/records.md): what the loader must make of each row, and in "
    "which topic. These are made.",
)
@click.option(
    "--schema-registry-url",
    metavar="URL",
    help="A registry that runs, for a table whose records name a schema.",
)
@click.option(
    "--identify-by",
    type=click.Choice(["line", "content"]),
    default="line",
    show_default=True,
    help="How a record tells its row: _source_line and _source_file, or its fields alone.",
)
@click.option(
    "--isolation",
    type=click.Choice(["both", "read_uncommitted", "read_committed"]),
    default="both",
    show_default=True,
    help="Which readers must see every row once.",
)
@click.option("--run-again", is_flag=True, help="Once it is done, run it again: nothing is new.")
@click.option(
    "--stall-seconds",
    type=click.FloatRange(1),
    default=60.0,
    show_default=True,
    help="Without a new record for so long it hangs.",
)
@click.option(
    "--stack",
    type=click.Choice(KINDS),
    default="embedded",
    show_default=True,
    help="Where Kafka, S3 and DynamoDB come from.",
)
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON on stdout.")
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page too.")
@click.option("--plain", is_flag=True, help="Lines only, on a terminal too.")
def command(
    command_line: str,
    variables: tuple[str, ...],
    rows: int,
    preset: str | None,
    files: int | None,
    kills: int,
    pauses: int,
    seed: int,
    partitions: int,
    csv_columns: Path | None,
    schema_registry_url: str | None,
    identify_by: str,
    isolation: str,
    run_again: bool,
    stall_seconds: float,
    stack: str,
    as_json: bool,
    report: Path | None,
    plain: bool,
) -> int:
    """Judges any loader: does it bring every row of a CSV into the topic once and in order, however
    often it is killed?

    Starts Kafka, S3 and DynamoDB on this machine, makes a CSV, runs the loader, kills it by what is
    visible from outside (rows in the topic, writes to the table, time), runs it again until it is
    done, and compares every record with every row. Nothing is asked of the loader.
    """
    from csvkafka.testing.checker.expectation import IdentifyBy
    from csvkafka.testing.checker.topic_reader import Isolation
    from csvkafka.testing.inputs.csv_files import preset as preset_spec
    from csvkafka.testing.judging.plan import DEFAULT_FILE, JudgePlan
    from csvkafka.testing.processes.loader_command import LoaderCommand

    if preset is None and csv_columns is not None:
        preset = "typed"
    csv = preset_spec(preset, rows) if preset else replace(DEFAULT_FILE, row_count=rows)
    try:
        plan = JudgePlan(
            LoaderCommand.parse(command_line, variables),
            replace(csv, seed=seed),
            files,
            kills=kills,
            pauses=pauses,
            seed=seed,
            partitions=partitions,
            stall_seconds=stall_seconds,
            run_again=run_again,
            isolations=tuple(Isolation) if isolation == "both" else (Isolation(isolation),),
            identify_by=IdentifyBy(identify_by),
            csv_columns=csv_columns,
            schema_registry_url=schema_registry_url,
        )
    except ConfigError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    judgement, history = _judged(plan, stack, plain, as_json)
    if report is not None:
        from csvkafka.testing.report.report import judgement_page, write_page

        write_page(report, judgement_page(judgement, history))
    if as_json:
        click.echo(json.dumps(judgement.to_json(), indent=2))
    else:
        for line in _summary(judgement):
            click.echo(line)
        if report is not None:
            click.echo(f"report: {report}")
    return 0 if judgement.is_clean else 1


def _judged(plan: JudgePlan, stack: str, plain: bool, as_json: bool) -> tuple[Judgement, History]:
    from csvkafka.testing.history import History
    from csvkafka.testing.judging.judge import judge
    from csvkafka.testing.stacks.choice import choose_stack, open_stack

    choice = choose_stack(stack, os.environ)
    begun_at = time.monotonic()
    with watching(plain or as_json, to_stderr=as_json) as view:
        view.phase("starting Kafka, S3 and DynamoDB", 0)
        with open_stack(choice.kind) as running:
            view.say(
                f"Kafka {running.bootstrap_servers}, S3 and DynamoDB {running.aws_endpoint_url}: "
                f"started in {duration_text(time.monotonic() - begun_at)}"
            )
            history = History()
            return judge(plan, running, view=view, history=history), history


def _summary(judgement: Judgement) -> list[str]:
    lines = [
        "",
        f"file     {count_text(judgement.row_count)} rows, {bytes_text(judgement.source_bytes)}, "
        f"seed {judgement.seed}",
        f"struck   {judgement.kills} times killed, {judgement.pauses} times paused",
        f"speed    {count_text(judgement.rows_per_second)} rows/s over "
        f"{duration_text(judgement.load_seconds)}, {len(judgement.lives)} process starts included",
        "",
        f"incarnation  {'end':32}  {'new rows':>10}{'repeated':>10}  {'took':>6}",
    ]
    lines += [
        f"{life.number:11}  {life.end:32}  {count_text(life.rows_new):>10}"
        f"{count_text(life.rows_repeated):>10}  {duration_text(life.seconds):>6}"
        for life in judgement.lives
    ]
    lines.append("")
    for isolation, verdict in judgement.verdicts.items():
        first, *rest = str(verdict).splitlines()
        lines += [f"{isolation} readers: {first}", *rest]
    lines += [f"problem: {problem}" for problem in judgement.problems]
    lines += [f"note: {note}" for note in judgement.notes]
    lines.append("")
    if judgement.is_clean:
        lines.append("CLEAN: every row is there once and in order.")
    else:
        names = {str(a.kind) for v in judgement.verdicts.values() for a in v.anomalies}
        what = ", ".join(sorted(names)) or "not proven"
        lines.append(f"NOT CLEAN: {what}; {count_text(judgement.rows_repeated)} rows sent again.")
    return lines
