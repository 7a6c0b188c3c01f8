"""`csvkafka load --list`: the objects of a set in their order, and those that were left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from csvkafka.cli.output import bytes_text, count_text
from csvkafka.errors import ConfigError, counted

if TYPE_CHECKING:
    from csvkafka.config.load_config import LoadConfig


def set_lines(config: LoadConfig) -> Iterator[str]:
    """One line an object, as they are listed. Raises errors of `csvkafka.errors`."""
    from csvkafka.sources import set_objects

    if not config.is_set:
        raise ConfigError(
            f"{config.source_uri} is one object or file, and --list shows a set; set S3_PREFIX or "
            "S3_MANIFEST in its place"
        )
    objects = set_objects(config, keys_shown=None)
    count = size = 0
    for piece in objects.pieces():
        count += 1
        size += piece.size
        version = "" if piece.version_id is None else f"  version {piece.version_id}"
        yield f"{count:>7}  {piece.key}  {bytes_text(piece.size)}  ETag {piece.etag}{version}"
    for line in objects.left_out.lines():
        yield f"left out, {line}"
    what = "file" if count == 1 else "files"
    yield (
        f"{count_text(count)} {what} of {config.source_uri}, {bytes_text(size)}, by key; "
        f"{counted(objects.left_out.count, 'object')} left out"
    )
