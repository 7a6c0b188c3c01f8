"""`csvkafka verify`: is every row of a job's source in its topic, once and in order?"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from csvkafka.cli.options import SettingsCommand, setting_options, source_argument, values_given
from csvkafka.cli.output import report_error
from csvkafka.config.settings import JOB, SINK, SOURCE
from csvkafka.errors import CsvKafkaError, counted

if TYPE_CHECKING:
    from csvkafka.testing.checker.files_so_far import FilesSoFar
    from csvkafka.testing.checker.verify import JobVerdict, Progress

EPILOG = """
\b
Examples:
  csvkafka verify                            the job of the environment, as read_uncommitted
  csvkafka verify --isolation both --json > verdict.json
  csvkafka verify --s3-bucket data --s3-key exports/data.csv --kafka-topic csv-import \\
      --kafka-bootstrap-servers broker:9092 --dynamodb-table csv-kafka-checkpoint --job-id data-1

It changes nothing. Give it the settings that the load had, or the replay, with its own JOB_ID.
Reading takes some 400,000 rows a second where the compiled reading is open (csvkafka --version),
else a quarter of that, and memory that does not grow with the file.

Exit codes: 0 clean, 1 anomalies, 2 it could not be judged, or the load is not complete or has no
item and --so-far was not given (the error line says which).
"""

CLEAN, ANOMALIES, NOT_JUDGED = 0, 1, 2

FILES_SHOWN = 20
"""So many files that are skipped are named."""

_RUN_ONLY = {
    "CREATE_TABLE",
    "CHECKPOINT_INTERVAL",
    "LEASE_SECONDS",
    "WATCHDOG_SECONDS",
    "ENCODE_THREADS",
    "ENCODE_WORKERS",
    "ACCEPT_DELETED_TAIL",
    "FAIL_FAST",
    "KAFKA_COMPRESSION_TYPE",
}
_SETTINGS = [setting for setting in (*SOURCE, *SINK, *JOB) if setting.variable not in _RUN_ONLY]
_LEVELS = ("read_uncommitted", "read_committed")


@click.command("verify", cls=SettingsCommand, epilog=EPILOG)
@source_argument
@setting_options(_SETTINGS)
@click.option(
    "--isolation",
    type=click.Choice([*_LEVELS, "both"]),
    default=_LEVELS[0],
    show_default=True,
    help="Whose view of the topic is judged; both: one after the other.",
)
@click.option(
    "--exclusive",
    is_flag=True,
    help="The topic is this job's alone: records of other writers are anomalies too.",
)
@click.option(
    "--by-content",
    is_flag=True,
    help="Rows are told by their content, for records without _source_line: 150 bytes of memory "
    "for each row.",
)
@click.option(
    "--so-far",
    is_flag=True,
    help="Judge a load that is not complete by what it has sent so far, and a job that has no item "
    "as a complete one.",
)
@click.option("--json", "as_json", is_flag=True, help="The verdict as JSON.")
def command(
    isolation: str, exclusive: bool, by_content: bool, so_far: bool, as_json: bool, **options: Any
) -> int:
    """Compares every record of a job's topic with every row of its source: position, content and
    order. The job's item tells which version of the object it is, and whether the load is
    complete."""
    try:
        verdicts = _verdicts(
            _LEVELS if isolation == "both" else (isolation,),
            exclusive=exclusive,
            by_content=by_content,
            needs_item=not so_far,
            options=options,
        )
    except CsvKafkaError as error:
        report_error(error)
        return NOT_JUDGED
    if as_json:
        click.echo(
            json.dumps(
                {level: _to_json(job) for level, job in verdicts.items()}, indent=2, default=str
            )
        )
    else:
        for level, job in verdicts.items():
            for line in _lines(level, job):
                click.echo(line)
    if not all(job.verdict.is_clean for job in verdicts.values()):
        return ANOMALIES
    unfinished = next((job for job in verdicts.values() if job.status == "IN_PROGRESS"), None)
    if unfinished is None or so_far:
        return CLEAN
    report_error(
        f"the load of {unfinished.source_uri} is not complete: {_state(unfinished)}, so rows after "
        "the last one found were not judged; end the load, or give --so-far"
    )
    return NOT_JUDGED


def _verdicts(
    levels: tuple[str, ...],
    *,
    exclusive: bool,
    by_content: bool,
    needs_item: bool,
    options: dict[str, Any],
) -> dict[str, JobVerdict]:
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.testing.checker.expectation import IdentifyBy
    from csvkafka.testing.checker.topic_reader import Isolation
    from csvkafka.testing.checker.verify import Scope, verify_job

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    config = LoadConfig.from_settings(values_given(options))
    verdicts = {}
    for level in levels:
        scope = Scope(
            Isolation(level),
            exclusive=exclusive,
            identify_by=IdentifyBy.CONTENT if by_content else IdentifyBy.LINE,
        )
        with _progress(f"judging, as {level} readers see it") as progress:
            verdicts[level] = verify_job(config, scope, needs_item=needs_item, progress=progress)
    return verdicts


@contextmanager
def _progress(text: str) -> Iterator[Progress | None]:
    """A bar on stderr if that is a terminal: stdout has the verdict."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from csvkafka.cli.bar import Bar

    with Bar(sys.stderr) as bar:
        begun = False

        def show(done: int, total: int) -> None:
            nonlocal begun
            if not begun:
                begun = True
                bar.phase(text, total)
            bar.reached(done)

        yield show


def _state(job: JobVerdict) -> str:
    """How far a load is that is not complete."""
    if job.files is not None:
        return str(job.files)
    return f"its item says {job.status} at row {job.last_line:,}"


def _to_json(job: JobVerdict) -> dict[str, object]:
    return {
        "source": job.source_uri,
        "status": job.status,
        "last_line": job.last_line,
        **({} if job.files is None else {"files": _files_to_json(job.files)}),
        **({"skipped": dict(job.skipped)} if job.skipped else {}),
        **job.verdict.to_json(),
    }


def _files_to_json(files: FilesSoFar) -> dict[str, int]:
    return {**asdict(files), "not_begun": files.not_begun}


def _lines(level: str, job: JobVerdict) -> Iterator[str]:
    status = "no item" if job.status is None else f"{job.status}, {job.last_line:,} rows"
    if job.files is not None:
        status = f"{job.status}, {job.files}"
    yield f"{job.source_uri} ({status}), as {level} readers see it"
    yield str(job.verdict)
    for uri, rows in islice(job.skipped.items(), FILES_SHOWN):
        yield f"  skipped: {uri}, of which {counted(rows, 'row')} belong into the topic"
    if len(job.skipped) > FILES_SHOWN:
        yield f"  skipped: {counted(len(job.skipped) - FILES_SHOWN, 'file')} more (--json has all)"
    if job.status == "IN_PROGRESS" and job.verdict.is_clean:
        yield "  the load is not complete: rows after the last one found were not judged"
