"""How settings are spelled to whoever gave them.

Messages spell a setting by its variable, `KEY_COLUMN` or `CREATE_TABLE=true`. The outermost layer
shows the message in the caller's own form: options to the command line, arguments to a program that
called the documented class, variables to whoever ran `python -m csvkafka`.
"""

from __future__ import annotations

import re
from enum import StrEnum

from csvkafka.config.settings import SETTINGS, Kind

ARGUMENTS = {
    "S3_BUCKET": "s3_bucket",
    "S3_KEY": "s3_key",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka_bootstrap_servers",
    "KAFKA_TOPIC": "kafka_topic",
    "DYNAMODB_TABLE": "table_name",
    "CHECKPOINT": "table_name",
    "JOB_ID": "job_id",
    "CHECKPOINT_INTERVAL": "checkpoint_interval",
}
"""Settings that the documented classes take as arguments, not in `settings`."""

_SETTINGS = {setting.variable: setting for setting in SETTINGS}

# Not inside quotes, where a name would be the user's own, such as a column's; nor in a longer word.
_NAMED = re.compile(
    r"(?<![\w'\"/.:-])(" + "|".join(map(re.escape, _SETTINGS)) + ")"
    r"(?:=('[^']*'|[\w./:-]*\w))?(?![\w'\"/])"
)
_MISSING = "Missing environment variable"


class Form(StrEnum):
    """How a caller gives settings."""

    VARIABLE = "variable"
    OPTION = "option"
    ARGUMENT = "argument"


def spelled(text: str, form: Form) -> str:
    """The message `text` with each setting as it is given in `form`."""
    if form is Form.VARIABLE:
        return text
    noun = "option" if form is Form.OPTION else "argument or setting"
    spell = _as_option if form is Form.OPTION else _as_argument
    return _NAMED.sub(
        lambda named: spell(*named.groups()), text.replace(_MISSING, f"Missing {noun}")
    )


def _as_option(variable: str, value: str | None) -> str:
    setting = _SETTINGS[variable]
    if setting.kind is Kind.FLAG and value in ("true", "false"):
        return setting.option if value == "true" else f"--no-{setting.option[2:]}"
    return setting.option if value is None else f"{setting.option} {value}"


def _as_argument(variable: str, value: str | None) -> str:
    if variable in ARGUMENTS:
        return ARGUMENTS[variable] if value is None else f"{ARGUMENTS[variable]}={value!r}"
    if value is None:
        return f'settings["{variable}"]'
    bare = value.strip("'")
    return f'settings={{"{variable}": "{bare}"}}'
