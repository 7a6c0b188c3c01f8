"""Which formats and zones a type of times may name: none that would have something guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ISO = "iso"
LOCAL = "local"

_PROBE = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)

_MACHINES_OWN = ("localtime", "posixrules")
_LEAP_SECONDS = ("right/", "posix/")
"""Folders of a machine's time zone data that are not of IANA's names."""


def checked_format(form: str) -> str:
    """The format, `iso` for none. Raises ValueError for what is none of `strptime`, and for one
    by which a part of the time would be guessed."""
    form = form.strip() or ISO
    if form == ISO:
        return form
    if "%" not in form:
        raise ValueError(f"{form!r} is no format; give iso, or one of strptime such as %d.%m.%Y")
    if re.search(r"(?<!%)(?:%%)*%Z", form):
        raise ValueError(
            f"format {form!r} has %Z, a zone's short name, which strptime does not read as a zone; "
            "give one with %z, for an offset from UTC"
        )
    try:
        year = datetime.strptime(_PROBE.strftime(form), form).year
    except ValueError as error:
        if "directive" in str(error) or "stray" in str(error):
            raise ValueError(f"format {form!r}: {error}") from error
        return form
    except re.error as error:
        raise ValueError(f"format {form!r} cannot be read: {error.msg}") from error
    if year != _PROBE.year:
        raise ValueError(f"format {form!r} reads no year, so all would be of {year}; give %Y or %y")
    return form


def checked_zone(name: str) -> str:
    """The name of a zone. Raises ValueError for what is no name of IANA's."""
    if name in _MACHINES_OWN:
        raise ValueError(
            f"{name} means another zone on each machine; give an IANA name such as Europe/Berlin, "
            "UTC, or local"
        )
    try:
        if name.startswith(_LEAP_SECONDS):
            raise ValueError(name)
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"no zone is called {name!r}; give an IANA name such as Europe/Berlin, UTC, or local"
        ) from error
    return name
