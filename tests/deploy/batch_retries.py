"""A small model of AWS Batch's retry rules (evaluateOnExit), as its documentation says: the first
rule decides all of whose conditions fit; what fits none is retried. Batch itself has not run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt of a job ended."""

    exit_code: int | None
    reason: str | None
    status_reason: str

    def __str__(self) -> str:
        return f"{self.exit_code}, {self.reason or self.status_reason}"


def is_retried(rules: Iterable[Mapping[str, str]], end: Attempt) -> bool:
    """Whether Batch tries again."""
    values = {
        "onExitCode": None if end.exit_code is None else str(end.exit_code),
        "onReason": end.reason,
        "onStatusReason": end.status_reason,
    }
    for rule in rules:
        conditions = {name: rule[name] for name in values if rule.get(name)}
        if conditions and all(_fits(glob, values[name]) for name, glob in conditions.items()):
            return rule["action"].upper() == "RETRY"
    return True


def _fits(glob: str, value: str | None) -> bool:
    """Only a star at the end is one; other characters are themselves."""
    if value is None:
        return False
    return value.startswith(glob[:-1]) if glob.endswith("*") else value == glob
