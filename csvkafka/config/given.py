"""The texts of settings as they were given: whether they may be so, and what each one says."""

from __future__ import annotations

import math
from collections.abc import Mapping

from csvkafka.config.settings import Kind, Setting
from csvkafka.errors import ConfigError

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


class Given:
    """The settings' texts, defaults filled in; what empty text means, `Setting` says.

    Raises ConfigError that lists every one that is missing or malformed."""

    def __init__(self, values: Mapping[str, str], settings: tuple[Setting, ...]) -> None:
        self._texts: dict[str, str] = {}
        missing, problems = [], []
        for setting in settings:
            text = values.get(setting.variable, setting.default)
            required = setting.required and not any(values.get(name) for name in setting.unless)
            if text is None and required:
                missing.append(setting.variable)
            if text is None or (text == "" and setting.default is None and not required):
                continue
            problem = _problem(setting, text)
            if problem is not None:
                problems.append(f"{setting.variable} {problem}")
            self._texts[setting.variable] = text
        if missing:
            if missing[:2] == ["S3_BUCKET", "S3_KEY"]:
                problems.insert(0, "SOURCE may stand in the place of S3_BUCKET and S3_KEY")
            problems.insert(0, f"Missing environment variable {', '.join(missing)}")
        if problems:
            raise ConfigError("; ".join(problems) + "; see csvkafka load --help")

    def has(self, variable: str) -> bool:
        return variable in self._texts

    def text(self, variable: str) -> str:
        return self._texts[variable]

    def optional(self, variable: str) -> str | None:
        return self._texts.get(variable)

    def count(self, variable: str) -> int:
        return int(self._texts[variable])

    def seconds(self, variable: str) -> float:
        return float(self._texts[variable])

    def flag(self, variable: str) -> bool:
        return self._texts[variable].lower() in _TRUE


_MOST_DIGITS = 18
"""Of a whole number: any larger one is a slip, and Python refuses to read one of thousands."""


def _problem(setting: Setting, text: str) -> str | None:
    """What is wrong with a setting's text; None: nothing."""
    if not isinstance(text, str):
        return f"must be text, not {type(text).__name__}"
    if text == "":
        if setting.may_be_empty:
            return None
        instead = "" if setting.required else f", leave it out for {setting.default}"
        return f"is empty; give it a value{instead}"
    shown = "the value given" if setting.secret else repr(text)
    if setting.choices and text not in setting.choices:
        return f"must be one of {', '.join(setting.choices)}, not {shown}"
    match setting.kind:
        case Kind.COUNT if text.isdecimal() and len(text) > _MOST_DIGITS:
            return f"must be a number of at most {_MOST_DIGITS} digits, not one of {len(text)}"
        case Kind.COUNT if not (text.isdecimal() and int(text) >= setting.minimum):
            return f"must be a whole number of at least {setting.minimum}, not {shown}"
        case Kind.COUNT if setting.maximum is not None and int(text) > setting.maximum:
            return f"must be at most {setting.maximum}, not {shown}"
        case Kind.SECONDS if not _is_positive_number(text):
            return f"must be a number of seconds above 0, not {shown}"
        case Kind.SECONDS if float(text) < setting.minimum:
            return f"must be at least {setting.minimum} (seconds), not {shown}"
        case Kind.SHARE if not (_is_number(text) and 0 <= float(text) <= 1):
            return f"must be a share from 0 to 1, such as 0.001, not {shown}"
        case Kind.FLAG if text.lower() not in _TRUE + _FALSE:
            return f"must be true or false, not {shown}"
        case Kind.BUCKET if "/" in text and not text.startswith("arn:"):
            return (
                f"must be the name of a bucket alone, not {shown}: leave out s3:// and all after "
                "the name, and give the object's key in S3_KEY"
            )
    return None


def _is_positive_number(text: str) -> bool:
    return _is_number(text) and 0 < float(text) < math.inf


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False
