"""What the CSV object is, and whether its header and first rows are what the settings say."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from csvkafka.cli.doctor.findings import Examination, Finding, Mark
from csvkafka.cli.output import bytes_text
from csvkafka.errors import SourceCorruptError, counted
from csvkafka.job.definition import JobSpec
from csvkafka.model import Dialect, FileOrder, RestartPoint, SourceIdentity
from csvkafka.rows import doubts
from csvkafka.rows.dialects import settings_beyond_default
from csvkafka.rows.preview import Preview, preview, shown_names
from csvkafka.sources import job_set, open_source
from csvkafka.stores import open_store

PROBED_BYTES = 16 << 20
"""How many bytes of content are searched for a restart point."""

GIVE_UP_SECONDS = 10.0
"""How long S3 is asked again before a check says that it does not answer."""


def check_source(examination: Examination) -> Iterator[Finding]:
    """The object is there, may be read, is stored as it is said to be, and has a header."""
    config = examination.config
    if config.is_set:
        yield from _check_set(examination)
        return
    points = _FirstPoint()
    source = open_source(config, give_up_seconds=GIVE_UP_SECONDS, points=points)
    identity = source.identify()
    version = "" if identity.version_id is None else f", version {identity.version_id}"
    size = bytes_text(identity.size)
    if config.source_path is not None:
        pin, how = "size, time and a digest of both ends", "a look at the file"
    elif config.remote is not None:
        kind = "generation" if config.remote.scheme == "gs" else "ETag"
        pin, how = f"{kind} {identity.etag}", "an answer of its server"
    else:
        pin, how = f"ETag {identity.etag}{version}", "HEAD of the object"
    yield Finding(Mark.OK, "source", f"{identity.uri}: {size}, pinned by {pin}", how)
    with closing(source.read(0)) as chunks:
        look = preview(chunks, config.spec.dialect, identity.uri)
    examination.source, examination.look = identity, look
    stored = identity.compression if identity.is_compressed else "not compressed"
    yield Finding(Mark.OK, "source", stored, f"{source.stored_as.reason}; its first bytes agree")
    if identity.is_compressed:
        yield _restart_finding(source.read(0), points)
    yield from _text_findings(look, config.spec.dialect, config.spec.given)
    if look.failure is not None:
        text = examination.remedied(str(look.failure))
        yield Finding(Mark.ERROR, "source", text, "its rows before that are sent")


@dataclass
class _FirstPoint:
    """Learns whether there is any restart point; implements `interfaces.RestartPoints`."""

    spacing_bytes: int = 1 << 20
    is_found: bool = False

    def begin(self, source: SourceIdentity, byte_offset: int) -> None:
        """See `interfaces.RestartPoints`."""

    def found(self, point: RestartPoint) -> None:  # noqa: ARG002
        """See `interfaces.RestartPoints`."""
        self.is_found = True

    def read_to(self, content_bytes: int, stored_bytes: int) -> None:
        """See `interfaces.RestartPoints`."""


def _restart_finding(
    content: Generator[bytes, None, None], points: _FirstPoint, what: str = ""
) -> Finding:
    """`what` begins the text, for a file of a set."""
    read_bytes = 0
    try:
        with closing(content) as chunks:
            for chunk in chunks:
                read_bytes += len(chunk)
                if points.is_found or read_bytes >= PROBED_BYTES:
                    break
            else:
                text = f"{what}so small that a resume may read it again from its start"
                return Finding(Mark.OK, "source", text, "read to its end")
    except SourceCorruptError as error:
        return Finding(Mark.ERROR, "source", str(error), "its rows before that are sent")
    looked = f"a look for such places in the first {bytes_text(read_bytes)} of its content"
    if points.is_found:
        text = f"{what}a resume goes on from a restart point: its data can be entered on the way"
        return Finding(Mark.OK, "source", text, looked)
    text = (
        f"{what}its data has no way in but its start, as far as it was looked at: a resume "
        "reads all before it again (it sends nothing twice)"
    )
    return Finding(Mark.WARNING, "source", text, looked)


def _check_set(examination: Examination) -> Iterator[Finding]:
    """The objects of a set can be listed, and the first of them read."""
    config = examination.config
    store = open_store(config.checkpoint)
    file_set, objects = job_set(config, store, give_up_seconds=GIVE_UP_SECONDS)
    identity = file_set.identify()
    first = next(file_set.frozen.pieces())
    (last,) = deque(file_set.frozen.pieces(), maxlen=1)
    yield Finding(
        Mark.OK,
        "source",
        f"{identity.uri}: {counted(file_set.frozen.count, 'file')}, {bytes_text(identity.size)}, "
        f"from {first.key} to {last.key}",
        "a listing, by key; ETag and size of each will be frozen",
    )
    for line in objects.left_out.lines():
        yield Finding(Mark.OK, "source", f"left out, {line}", "csvkafka load --list shows all")
    with closing(file_set.read(0)) as chunks:
        look = preview(chunks, config.spec.dialect, file_set.first_uri)
    examination.source, examination.file_set, examination.look = identity, file_set, look
    yield Finding(
        Mark.OK,
        "source",
        f"{file_set.first_uri} is looked at; the others must have its columns",
        "each is compared when its turn comes",
    )
    if config.spec.order is FileOrder.OBJECT:
        yield _order_within_files(config.spec)
    packed = (piece for piece in file_set.frozen.pieces() if objects.is_compressed(piece))
    # The largest: a small one tells nothing of the others.
    piece = max(packed, key=lambda each: each.size, default=None)
    if piece is not None:
        points = _FirstPoint()
        content = objects.open_piece(piece, 0, points)
        yield _restart_finding(content, points, f"{piece.key}, the largest compressed file: ")
    yield from _text_findings(look, config.spec.dialect, config.spec.given)


def _order_within_files(spec: JobSpec) -> Finding:
    """What ORDER=object means, above all for keys."""
    has_key = spec.key_column is not None or bool(spec.table and spec.table.key)
    keys = "; rows of one key in two files may arrive in any order" if has_key else ""
    return Finding(
        Mark.WARNING if has_key else Mark.OK,
        "source",
        f"order holds within each file, which is a job of its own{keys}",
        "ORDER=object" + ("; ORDER=set keeps the order of all files" if has_key else ""),
    )


def _text_findings(look: Preview, dialect: Dialect, given: frozenset[str]) -> Iterator[Finding]:
    sample = "all of it" if look.is_whole else f"the first {bytes_text(len(look.sample))}"
    text = f"text in {look.encoding}" if look.is_text else f"not all of it text in {look.encoding}"
    yield Finding(
        Mark.OK if look.is_text else Mark.ERROR,
        "source",
        f"{text}, lines end in {look.line_end}",
        f"CSV_ENCODING, and a look at {sample}",
    )
    quotes = f"quoted by {dialect.quotechar}" if dialect.quotechar else "none quoted"
    used = f", {look.sample.count(dialect.quotechar.encode())} quotes" if dialect.quotechar else ""
    more = "".join(f", {name}" for name in settings_beyond_default(dialect))
    by = "CSV_DELIMITER as given" if "CSV_DELIMITER" in given else "CSV_DELIMITER by default"
    yield Finding(
        Mark.OK,
        "source",
        f"fields between {dialect.delimiter!r}, {quotes}",
        f"{by}, CSV_QUOTECHAR{more}; {sample} has {look.sample.count(dialect.delimiter.encode())} "
        f"delimiters{used}",
    )
    names = look.header.names
    columns = counted(len(names), "column")
    has_header = dialect.names is None
    after = f" after {counted(dialect.skipped_lines, 'line')}" if dialect.skipped_lines else ""
    yield Finding(
        Mark.OK if names else Mark.WARNING,
        "source",
        f"{'header of ' if has_header else ''}{columns}"
        + (f": {shown_names(names)}" if names else ""),
        f"{'the first row' if has_header else 'CSV_HEADER, there is no header row'}{after}",
    )


def check_columns(examination: Examination) -> Iterator[Finding]:
    """Delimiter, first lines and names of columns look as if they were meant so."""
    look, spec = examination.look, examination.spec
    if look is None:
        return
    how = f"the header and {counted(len(look.rows), 'row')} after it"
    refusals = list(doubts.refusals(look, spec.duplicate_columns, spec.given))
    warnings = list(doubts.warnings(look, spec.duplicate_columns))
    if not examination.begun:
        for refusal in refusals:
            yield Finding(Mark.ERROR, "columns", refusal, how)
    for warning in warnings:
        yield Finding(Mark.WARNING, "columns", warning, how)
    if not refusals and not warnings:
        yield Finding(
            Mark.OK,
            "columns",
            "each has a name of its own; no sign of another delimiter, or of a line before the "
            "header",
            how,
        )
