"""Which objects of a listing are files of a set, and why the others are left out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from csvkafka.errors import ConfigError, SourceReadError
from csvkafka.model import Piece
from csvkafka.sets.some_keys import KEYS_SHOWN, SomeKeys

MARKER = "_SUCCESS"
"""What Hadoop and Spark write when a job has ended; it holds no rows, even where it holds bytes."""

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes whose objects cannot be read before they are restored."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as S3 lists it. `is_restored`: a copy of an archived object can be read."""

    key: str
    etag: str
    size: int
    storage_class: str = "STANDARD"
    is_restored: bool = False
    version_id: str | None = None

    @property
    def piece(self) -> Piece:
        return Piece(self.key, self.etag, self.size, self.version_id)


@dataclass(frozen=True, slots=True)
class Globs:
    """What a set takes of the objects listed: those that match one of `include` (all, if it is
    empty) and none of `exclude`.

    A glob without a slash is held against the name after the key's last slash, one with a slash
    against the whole key; `*` stands for any characters, slashes too."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def why_left_out(self, key: str) -> str | None:
        """None: the key is taken."""
        if self.include and not any(_matches(key, glob) for glob in self.include):
            return f"no glob of S3_INCLUDE ({', '.join(self.include)}) matches"
        for glob in self.exclude:
            if _matches(key, glob):
                return f"{glob} of S3_EXCLUDE matches"
        return None


def _matches(key: str, glob: str) -> bool:
    return fnmatchcase(key if "/" in glob else key.rpartition("/")[2], glob)


def globs_of(text: str | None) -> tuple[str, ...]:
    """The globs of a setting, which are divided by commas."""
    return tuple(glob.strip() for glob in (text or "").split(",") if glob.strip())


def why_left_out(found: ListedObject, globs: Globs) -> str | None:
    """Why the object is no file of the set; None: it is one."""
    if found.key.endswith("/"):
        return "a folder"
    if found.key.rpartition("/")[2] == MARKER:
        return f"a {MARKER} marker"
    if found.size == 0:
        return "empty"
    return globs.why_left_out(found.key)


class LeftOut:
    """How many objects were left out for each reason, and the first `keys_shown` keys."""

    def __init__(self, keys_shown: int | None = KEYS_SHOWN) -> None:
        self._keys_shown = keys_shown
        self._reasons: dict[str, SomeKeys] = {}

    def add(self, key: str, reason: str) -> None:
        self._reasons.setdefault(reason, SomeKeys(self._keys_shown)).add(key)

    @property
    def count(self) -> int:
        return sum(keys.count for keys in self._reasons.values())

    def lines(self) -> list[str]:
        """A sentence for each reason."""
        return [f"{reason}: {keys}" for reason, keys in self._reasons.items()]


def never_without(_key: str) -> bool:
    """For a set that was not begun: each object of it matters."""
    return False


def select(
    listed: Iterable[ListedObject],
    globs: Globs,
    left_out: LeftOut,
    bucket: str,
    is_without: Callable[[str], bool] = never_without,
) -> Iterator[Piece]:
    """The files of a set among the objects listed; notes the others. `is_without` tells of a key
    whether the set was begun, and goes on without that object.

    Raises SourceReadError for one that is archived, ConfigError for a list that does not rise."""
    last = ""
    for found in listed:
        if found.key <= last:
            raise ConfigError(
                f"bucket {bucket} lists {found.key} after {last}, and not by key as S3 does "
                "elsewhere (a directory bucket?): load its objects one by one, by S3_KEY"
            )
        last = found.key
        reason = why_left_out(found, globs)
        if reason is not None:
            left_out.add(found.key, reason)
            continue
        if found.storage_class in ARCHIVED and not found.is_restored:
            if is_without(found.key):
                left_out.add(found.key, "archived, and not needed by the job")
                continue
            raise SourceReadError(
                f"s3://{bucket}/{found.key} is archived ({found.storage_class}): restore it "
                "(s3:RestoreObject), wait until it is there, and run the same command again, or "
                "leave it out by S3_EXCLUDE"
            )
        yield found.piece
