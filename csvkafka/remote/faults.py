"""What the answer of a server that is asked for an object means: to be asked again, or an error."""

from __future__ import annotations

from http import HTTPStatus

from csvkafka.errors import (
    ANOTHER_JOB,
    CsvKafkaError,
    SourceChangedError,
    SourceNotFoundError,
    SourceReadError,
)

_PASSING = frozenset(
    (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
)


class PassingFault(Exception):
    """What may be over soon: the object is asked for again. `has_answered`: the server did, so it
    is there."""

    def __init__(self, message: str, *, has_answered: bool) -> None:
        super().__init__(" ".join(message.split()))
        self.has_answered = has_answered


def is_passing(status: int) -> bool:
    """Whether the same request may soon be answered otherwise."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING


def refused(uri: str, status: int, told: str, rights: str) -> CsvKafkaError:
    """What to raise for a status that is not passing. `rights` says how rights are given here."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return SourceReadError(f"{uri} may not be read ({told}): {rights}, and run again")
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return SourceNotFoundError(f"there is no {uri} ({told}): check SOURCE")
        case HTTPStatus.PRECONDITION_FAILED | HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return changed(uri, f"the server says so ({told})")
    return SourceReadError(
        f"{uri} cannot be read, the server refuses it ({told}): check SOURCE, and run again"
    )


def changed(uri: str, how: str) -> SourceChangedError:
    """What to raise when another object stands in the place of the one that was pinned."""
    return SourceChangedError(
        f"{uri} has changed since the job was begun: {how}; take the new object {ANOTHER_JOB}"
    )
