"""One comparison of the checker's compiled reading with slow ones in Python, for any bytes: for
the unit tests, and for the coverage-guided fuzzer of `tests/fuzz`.

JSON is read by the standard library's parser, the part of it that is written in Python, so that a
fuzzer sees which ways of it were gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from json import decoder, scanner

from csvkafka.compiled import compiled_module
from csvkafka.testing.checker.batch_records import PlainBatch, _parsed

Pairs = list[tuple[str, object]]

_LAST_NAMES = ["_source_line", "_source_file"]
_TORN_ESCAPE = re.compile(r"\\(?:[^u]|u[0-9a-fA-F]{4}|(u))")
_RECORD = b'{"a":"1","b\\n":"\xc3\xa4","_source_line":7,"_source_file":"f"}'
_SECTION = b"\x14\0\0\0\1\x08abcd\0" + b"\x0e\0\0\2\2k\1\0"
"""Two records, one without a key and one without a value."""
_FRAMES = (
    (b"", b""),
    (b"{", b',"_source_line":7,"_source_file":"f"}'),
    (b'{"a":"', b'","_source_line":7,"_source_file":"f"}'),
    (b'{"', b'":"1","_source_line":7,"_source_file":"f"}'),
    (b'{"a":"1","_source_line":', b',"_source_file":"f"}'),
)
"""What stands around the bytes of a case."""


class _Decoder(json.JSONDecoder):
    """Objects as lists of pairs, numbers as they are written, all in Python."""

    def __init__(self, strict: bool) -> None:
        super().__init__(object_pairs_hook=_Object, parse_int=_Number, strict=strict)
        self.parse_string = decoder.py_scanstring  # type: ignore[attr-defined]
        self.scan_once = scanner.py_make_scanner(self)  # type: ignore[attr-defined]


class _Object(list[tuple[str, object]]):
    """The pairs of a JSON object."""


class _Number(str):
    """An integer as it is written."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a record's JSON says of a row."""

    names: tuple[str, ...]
    row: list[str]
    line: int
    file: str

    def agrees(self, value: bytes, key: bytes | None = None, index: int = -1) -> bool:
        """Whether the compiled reading finds all this in the value, and the field in the key."""
        compiled = compiled_module()
        assert compiled is not None
        section = framed([(key, value)])
        return (
            compiled.agreeing(section, 0, [self.row], [self.line], self.names, self.file, index)
            == 1
        )


def framed(records: Sequence[tuple[bytes | None, bytes | None]]) -> bytes:
    """The section of records with these keys and values."""
    section = b""
    for delta, (key, value) in enumerate(records):
        body = b"\0\0" + varint(delta) + _sized(key) + _sized(value) + b"\0"
        section += varint(len(body)) + body
    return section


def _sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def varint(number: int) -> bytes:
    """Kafka's, by zigzag."""
    rest, encoded = number << 1 ^ number >> 63, b""
    while rest >= 0x80:
        rest, encoded = rest >> 7, encoded + bytes([rest & 0x7F | 0x80])
    return encoded + bytes([rest])


ANOTHER = Said(("a",), ["1"], 7, "f")
"""What a value that says nothing is held against."""


def said_by(value: bytes, *, strict: bool = True) -> Said | None:
    """What the value says; None unless it is a record as the loader makes them. Unless `strict`, it
    may hold control characters, which JSON escapes."""
    try:
        text = value.decode()
        if any(found[1] for found in _TORN_ESCAPE.finditer(text)):
            return None  # which Python 3.11 reads by int(), underscores and all
        pairs = _Decoder(strict).decode(text)
    except (ValueError, RecursionError):
        return None
    if type(pairs) is not _Object or [name for name, _ in pairs[-2:]] != _LAST_NAMES:
        return None
    *fields, (_, line), (_, file) = pairs
    texts = [text for _, text in fields] + [file, *(name for name, _ in fields)]
    if not fields or not all(type(text) is str and _is_utf8(text) for text in texts):
        return None
    if type(line) is not _Number or not line.isascii() or not 0 <= int(line) < 1 << 64:
        return None
    if line.startswith("-"):
        return None
    row = [str(text) for _, text in fields]
    return Said(tuple(name for name, _ in fields), row, int(line), str(file))


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def check_value(value: bytes) -> None:
    """Raises AssertionError unless the compiled reading finds in the value just what it says."""
    said = said_by(value)
    if said is None:
        mistaken = said_by(value, strict=False) or ANOTHER
        assert not mistaken.agrees(value), value
        return
    assert said.agrees(value), value
    last = len(said.row) - 1
    key = said.row[last].encode()
    assert said.agrees(value, key, last), value
    assert not said.agrees(value, key + b"x", last), value
    others = (
        Said(said.names, [*said.row[:-1], said.row[-1] + "x"], said.line, said.file),
        Said(said.names, [*said.row[:-1], said.row[-1][:-1] + "\N{SNOWMAN}"], said.line, said.file),
        Said((*said.names[:-1], said.names[-1] + "x"), said.row, said.line, said.file),
        Said((*said.names, "x"), [*said.row, ""], said.line, said.file),
        Said(said.names, said.row, said.line ^ 1, said.file),
        Said(said.names, said.row, said.line, said.file + "x"),
    )
    for other in others:
        assert other == said or not other.agrees(value), (value, other)


def check_section(section: bytes, count: int, base_offset: int) -> None:
    """Raises AssertionError if the compiled reading takes a records section for something else than
    the one in Python does."""
    compiled = compiled_module()
    assert compiled is not None
    found = compiled.records_of(section, count, base_offset)
    plain = PlainBatch.of(compiled, section, count, base_offset)
    assert (plain is None) == (found is None), (section, count)
    if found is not None and plain is not None:
        assert found == _parsed(section, count, base_offset), (section, count)
        assert found == list(plain) == [plain[place] for place in range(count)], (section, count)
        assert [record[0] for record in found] == [*plain.kafka_offsets], (section, count)


def check_bytes(data: bytes) -> None:
    """The comparison that any bytes stand for: the first one says which, three more how."""
    kind, a, b, c, *_ = data[:4].ljust(4, b"\0")
    body = data[4:]
    frame = kind % (len(_FRAMES) + 3)
    if frame < len(_FRAMES):
        before, behind = _FRAMES[frame]
        check_value(before + body + behind)
    elif frame == len(_FRAMES):
        check_value(_spliced(_RECORD, a, b, body))
    elif frame == len(_FRAMES) + 1:
        check_section(_spliced(_SECTION, a, b, body), c % 4, c)
    else:
        check_section(body, a % 4, b)


def _spliced(whole: bytes, at: int, size: int, part: bytes) -> bytes:
    at %= len(whole) + 1
    return whole[:at] + part + whole[at + size % 8 :]
