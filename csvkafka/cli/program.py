"""The command line, `csvkafka`: one module a command; only these modules print or end the process.

A command's module is imported when the command is called, and what is heavy (boto3, kafka-python,
rich, the stack) inside it, so that `csvkafka --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence

import click

from csvkafka import __version__
from csvkafka.cli.output import report_error, report_unexpected
from csvkafka.compiled import compiled_module
from csvkafka.errors import CsvKafkaError
from csvkafka.process.collector import spare_long_lived_objects
from csvkafka.process.logs import let_go_of_output
from csvkafka.process.signals import leave_signals_to_python

COMMANDS = {
    "load": "Load a CSV, or a set of them, into a Kafka topic, or go on with a load.",
    "replay": "Load the rows that a load set aside, after what was wrong was repaired.",
    "status": "Show how far a job is, and who works on it.",
    "skip-file": "Leave a file that cannot be loaded out of a set, for good.",
    "verify": "Compare a job's topic with its source: each row once, in order?",
    "doctor": "Check source, table, topic and broker before a load.",
    "infer": "Propose a table of columns (CSV_COLUMNS) from a look at a source.",
    "demo": "Watch a load survive kill -9, on a stack of its own, and be judged.",
    "judge": "Kill and resume any loader on a stack of its own, and compare its topic.",
    "local": "Start Kafka, S3 and DynamoDB on this machine, until Ctrl-C.",
    "generate": "Make a CSV of any size: to a file, stdout or S3.",
}
"""The commands in the order of `--help`, each in the module of its name, with its first line."""

EPILOG = """
\b
Examples:
  csvkafka demo                              see it work (needs csvkafka[local])
  csvkafka load --s3-bucket data --s3-key exports/data.csv \\
      --kafka-bootstrap-servers broker:9092 --kafka-topic csv-import \\
      --dynamodb-table csv-kafka-checkpoint --job-id data-2026-01
  csvkafka status data-2026-01               how far is it?
  csvkafka load data.csv --kafka-bootstrap-servers localhost:9092 --kafka-topic csv-import
                                             a file of this host, without AWS
"""

USAGE_EXIT_CODE = 2

LOADS = "load"
"""The command that handles signals itself; all others end by KeyboardInterrupt."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


_HOMES = {"doctor": "doctor.command", "skip-file": "skip_file"}
"""The module of a command that is no module of this folder."""


class _LazyGroup(click.Group):
    """Knows its commands' names and first lines without importing them."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"csvkafka.cli.{_HOMES.get(name, name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, and proposes a command for a mistyped one: click does not know our names."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            for meant in difflib.get_close_matches(args[0], COMMANDS, n=1):
                text = f"{error.format_message()} Did you mean {meant!r}?"
                raise click.UsageError(text, ctx) from None
            raise

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(context: click.Context, _: click.Parameter, is_asked_for: bool) -> None:
    if is_asked_for:
        encoder = "Python" if compiled_module() is None else "compiled"
        click.echo(f"csvkafka {__version__} ({encoder} encoder)")
        context.exit()


@click.command(
    cls=_LazyGroup,
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version, and which encoder is in use.",
)
@click.pass_context
def csvkafka(context: click.Context) -> int | None:
    """Loads CSV, from S3, Google, Azure, a web server or a disk, into a Kafka topic: every row
    exactly once and in order, whatever is killed on the way.

    All settings can be given as options or as environment variables; `csvkafka load --help` lists
    them. Exit codes: 0 done, 1 failed (a setting is missing or malformed, too), 2 the command
    line is wrong (no such command or option), 143 and 130 stopped by SIGTERM or Ctrl-C.
    """
    if context.invoked_subcommand != LOADS:
        leave_signals_to_python()
    if context.invoked_subcommand is not None:
        return None
    click.echo(context.get_help())
    return USAGE_EXIT_CODE


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code."""
    spare_long_lived_objects()
    code = _run(arguments)
    let_go_of_output()
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = csvkafka.main(
            args=None if arguments is None else list(arguments),
            prog_name="csvkafka",
            standalone_mode=False,
        )
        # Commands return their exit code; --help and --version end with one of click's.
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f" (see {where} --help)" if where else ""
        report_error(error.format_message() + hint)
        return USAGE_EXIT_CODE
    except CsvKafkaError as error:
        report_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        return 1  # whoever read our output has gone, and there is nobody to tell
    except OSError as error:
        if error.errno not in _FULL:
            report_unexpected(error)
        else:
            where = "" if error.filename is None else f"{error.filename}: "
            report_error(f"{where}{error.strerror}")
        return 1
    except Exception as error:  # noqa: BLE001 - the process ends here
        report_unexpected(error)
        return 1
