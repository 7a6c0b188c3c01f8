"""Options made from the table of settings: each is an option and an environment variable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from csvkafka.config.checkpoint_place import place_of
from csvkafka.config.settings import JOB, SINK, SOURCE, Kind, Setting
from csvkafka.errors import ConfigError
from csvkafka.process.logs import LOG_LEVEL_VARIABLE, LOG_LEVELS

if TYPE_CHECKING:
    from csvkafka.interfaces import ItemStore

Command = TypeVar("Command", bound=Callable[..., Any])


_TITLES = {
    setting.variable: title
    for title, settings in (
        ("Source: the CSV object", SOURCE),
        ("Sink: the Kafka topic", SINK),
        ("Job: the checkpoint, and how to work", JOB),
    )
    for setting in settings
}
_ARGUMENTS = {"source_argument": "The CSV by a path or URI; as --source."}
_METAVARS = {Kind.COUNT: "NUMBER", Kind.SECONDS: "SECONDS", Kind.SHARE: "SHARE"}


STORE_SETTINGS = tuple(
    replace(setting, unless=("CHECKPOINT",)) if setting.required else setting
    for setting in JOB
    if setting.variable in ("DYNAMODB_TABLE", "CHECKPOINT")
)
"""Those that name the checkpoint store, for commands that ask nobody else."""


class SettingsCommand(click.Command):
    """A command whose help shows the settings' options by what they are about."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Argument):  # some releases of click show it bare
                about = _ARGUMENTS.get(parameter.name or "")
                record = None if about is None else (parameter.metavar or "", about)
            if record is not None:
                title = _TITLES.get(parameter.name or "", "Options")
                records.setdefault(title, []).append(record)
        for title, rows in records.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def setting_options(settings: Iterable[Setting]) -> Callable[[Command], Command]:
    """Adds an option for each setting. The command gets them as keyword arguments by the names of
    their variables: the text given, None where the option was not given (see `values_given`).

    Texts are checked by `csvkafka.config.load_config`, wherever they come from, and all at once."""

    def decorate(command: Command) -> Command:
        for setting in reversed(tuple(settings)):
            command = _option(setting)(command)
        return command

    return decorate


def source_argument(command: Command) -> Command:
    """Adds the argument SOURCE, which says what the option `--source` does; see `values_given`."""
    return click.argument("source_argument", metavar="[SOURCE]", required=False)(command)


def values_given(options: Mapping[str, str | bool | None]) -> dict[str, str]:
    """The environment with the options that were given laid over it. Raises ConfigError for two
    sources."""
    options = dict(options)
    source = options.pop("source_argument", None)
    if source is not None:
        if options.get("SOURCE") not in (None, source):
            raise ConfigError(f"SOURCE is given twice, as '{source}' too: give one of them")
        options["SOURCE"] = source
    texts = {
        variable: value if isinstance(value, str) else str(value).lower()
        for variable, value in options.items()
        if value is not None
    }
    return {**os.environ, **texts}


def store_of(values: Mapping[str, str]) -> ItemStore:
    """The checkpoint store that `STORE_SETTINGS` name. Raises ConfigError."""
    from csvkafka.stores import open_store

    place = place_of(values)
    if place is None:
        raise ConfigError(
            "Missing environment variable DYNAMODB_TABLE: name the checkpoint table, or the file "
            "by CHECKPOINT (CHECKPOINT=sqlite for a load of a file that named no other)"
        )
    return open_store(place)


def log_level_option(command: Command) -> Command:
    """Adds `--log-level`, whose text `process.logs.checked_level` checks, as that of a setting."""
    return click.option(
        "--log-level",
        metavar="|".join(LOG_LEVELS),
        envvar=LOG_LEVEL_VARIABLE,
        default="INFO",
        show_default=True,
        show_envvar=True,
        help="Least severe log lines to show; DEBUG shows tracebacks too.",
    )(command)


def _option(setting: Setting) -> Callable[[Command], Command]:
    name = setting.option
    if setting.kind is Kind.FLAG:
        return click.option(
            f"{name}/--no-{name[2:]}", setting.variable, default=None, help=_help(setting)
        )
    metavar = "|".join(setting.choices) if setting.choices else _METAVARS.get(setting.kind, "TEXT")
    return click.option(name, setting.variable, metavar=metavar, help=_help(setting))


def _help(setting: Setting) -> str:
    facts = [f"env var: {setting.variable}"]
    if setting.required:
        unless = f" unless {' or '.join(setting.unless)} is given" if setting.unless else ""
        facts.append(f"required{unless}")
    elif setting.default is not None:
        facts.append(f"default: {setting.default}")
    help_text = setting.help
    if setting.secret:
        help_text += " Better given by its variable: other users can see a command line."
    return f"{help_text}  [{'; '.join(facts)}]"
