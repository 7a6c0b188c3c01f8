"""Makes CSV files of any size from a seed: the same spec gives the same bytes, wherever it runs.

Every choice comes out of SHAKE-128, not of Python's `random`, so neither version nor platform
matters. The first column, `id`, numbers the rows from 1, so no two rows are equal; the second,
`key`, has few distinct values. The rest of a row is drawn from a pool that is made once, which is
what makes it quick: about two million plain rows a second. Memory: a few MB, whatever the size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import shake_128
from itertools import cycle, islice
from types import MappingProxyType

from csvkafka.errors import ConfigError

BLOCK_BYTES = 524_288
_BLOCK_ROWS = 8192
_POOL_ROWS = 4096
_POOL_FIELDS = 65_536

_WORDS = (
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "island",
    "jetty",
    "kelp",
    "lagoon",
    "meadow",
    "north",
    "orchard",
    "pebble",
    "quarry",
    "river",
    "summit",
    "tundra",
    "upland",
    "valley",
    "willow",
    "yonder",
    "zephyr",
    "of",
    "the",
    "and",
    "a",
)
_UNICODE = (
    "é",
    "naïve",
    "Grüße",
    "Ελλάδα",
    "日本語",
    "مرحبا",
    "😀",
    "👩‍👩‍👧",
    "\ufeffmark",
    "e\u0301",
)
_HOSTILE = (
    '"', '""', ",", ",,", '",', "\\", '\\"', "\\n", "'", ";", "\t", " lead", "trail ", "NULL",
    "null", "=1+1", "#", "\u2028", "\x85", "\x1c", "\x0b", "\x0c", "\x7f", "{}", "%d", "%", "\0",
)  # fmt: skip
_NEWLINES = ("\n", "\r\n", "\r", "\n\n", "\r\n\r\n")


@dataclass(frozen=True, slots=True)
class CsvSpec:
    """What the file looks like. Fractions are of all fields (but `id` and `key`), between 0 and 1.

    It has `row_count` data rows under one header. `column_count` counts `id` and `key` too;
    `field_characters` is a text's mean length. `quoted_fraction` quotes fields that need none;
    fields that hold delimiters, quotes (`hostile_fraction`) or line ends (`newline_fraction`) are
    always quoted. `blank_line_fraction` is of rows that are followed by a blank line. `typed`: each
    column has texts of one type (`TYPED_COLUMNS`), and an empty one may be NULL instead. Raises
    ConfigError for values that make no sense."""

    row_count: int
    seed: int = 0
    column_count: int = 8
    distinct_keys: int = 100
    field_characters: int = 8
    quoted_fraction: float = 0.0
    newline_fraction: float = 0.0
    unicode_fraction: float = 0.0
    hostile_fraction: float = 0.0
    empty_fraction: float = 0.0
    blank_line_fraction: float = 0.0
    hostile_header: bool = False
    line_end: str = "\n"
    byte_order_mark: bool = False
    final_line_end: bool = True
    typed: bool = False

    def __post_init__(self) -> None:
        for name, least in (("row_count", 0), ("column_count", 1), ("distinct_keys", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, it is {getattr(self, name)}")
        for field in fields(self):
            if field.name.endswith("_fraction") and not 0 <= getattr(self, field.name) <= 1:
                raise ConfigError(
                    f"{field.name} must be between 0 and 1, it is {getattr(self, field.name)}"
                )
        if self.line_end not in ("\n", "\r\n", "\r"):
            raise ConfigError(f"line_end must be LF, CRLF or CR, it is {self.line_end!r}")


PRESETS: Mapping[str, CsvSpec] = MappingProxyType(
    {
        "plain": CsvSpec(0),
        "narrow": CsvSpec(0, column_count=4),
        "wide": CsvSpec(0, column_count=100),
        "quoted": CsvSpec(0, quoted_fraction=0.5, hostile_fraction=0.05),
        "text": CsvSpec(
            0,
            column_count=5,
            field_characters=600,
            quoted_fraction=0.3,
            newline_fraction=0.2,
            unicode_fraction=0.1,
        ),
        "nasty": CsvSpec(
            0,
            column_count=10,
            quoted_fraction=0.2,
            newline_fraction=0.1,
            unicode_fraction=0.2,
            hostile_fraction=0.2,
            empty_fraction=0.1,
            blank_line_fraction=0.05,
            hostile_header=True,
            line_end="\r\n",
            byte_order_mark=True,
            final_line_end=False,
        ),
        "typed": CsvSpec(
            0,
            column_count=10,
            quoted_fraction=0.1,
            newline_fraction=0.02,
            unicode_fraction=0.05,
            hostile_fraction=0.02,
            empty_fraction=0.1,
            typed=True,
        ),
    }
)
"""Ready-made specs by name, without rows: see `preset`."""


def preset(name: str, row_count: int, seed: int = 0) -> CsvSpec:
    """The preset of that name with so many rows. Raises ConfigError for an unknown name."""
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return replace(PRESETS[name], row_count=row_count, seed=seed)


def column_names(spec: CsvSpec) -> tuple[str, ...]:
    """The header: `id`, `key`, `c3`, `c4`, ...; all but the first two are odd with
    `hostile_header`, and still unique. Those of a typed file are `TYPED_COLUMNS`, and then these
    again with a number."""
    if spec.typed:
        typed = list(TYPED_COLUMNS)
        numbered = (
            typed[at % len(typed)] + (f"_{at // len(typed) + 1}" if at >= len(typed) else "")
            for at in range(spec.column_count - 2)
        )
        return ("id", "key", *numbered)[: spec.column_count]
    odd = ('naïve "{}"', "a,b {}", "\n{}", " {} ", "😀{}", "%{}s")
    names = ["id", "key"][: spec.column_count]
    for number in range(3, spec.column_count + 1):
        form = odd[number % len(odd)] if spec.hostile_header else "c{}"
        names.append(form.format(number))
    return tuple(names)


def write_csv(spec: CsvSpec, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The file's bytes, in blocks of at most about `BLOCK_BYTES`; UTF-8. Of its rows those from
    `begin` (0 is the first) to before `end`, for one file of a set."""
    end = spec.row_count if end is None else end
    line_end = spec.line_end.encode()
    header = ",".join(map(_quoted_if_needed, column_names(spec))).encode()
    mark = b"\xef\xbb\xbf" if spec.byte_order_mark else b""
    ends_here = begin == end and not spec.final_line_end
    yield mark + header + (b"" if ends_here else line_end)
    tails = _tails(spec)
    mean_bytes = sum(map(len, tails)) // len(tails) + 8
    block_rows = max(1, min(_BLOCK_ROWS, BLOCK_BYTES // mean_bytes))
    tails = (tails * (65_536 // len(tails) + 1))[:65_536]
    for first in range(begin - begin % block_rows, end, block_rows):
        last = min(first + block_rows, spec.row_count)
        choices = struct.unpack(
            f"<{last - first}H", _random_bytes(spec, "block", first, 2 * (last - first))
        )
        rows = zip(range(first + 1, last + 1), map(tails.__getitem__, choices), strict=True)
        written = islice(rows, max(0, begin - first), end - first)
        block = b"".join([b"%d%b" % row for row in written])
        if last >= end and not spec.final_line_end:
            block = block.rstrip(b"\r\n")
        yield block


def _random_bytes(spec: CsvSpec, purpose: str, number: int, size: int) -> bytes:
    return shake_128(f"csvkafka {spec.seed} {purpose} {number}".encode()).digest(size)


def _tails(spec: CsvSpec) -> list[bytes]:
    """Ends of rows, all that follows the `id`: line end and blank line included."""
    pool_rows = max(1, min(_POOL_ROWS, _POOL_FIELDS // spec.column_count, spec.row_count))
    return [_tail(spec, _Draws(spec, number)) for number in range(pool_rows)]


class _Draws:
    """Numbers for one row of the pool."""

    def __init__(self, spec: CsvSpec, number: int) -> None:
        self._spec = spec
        self._number = number
        self._purpose = 0
        self._left: list[int] = []

    def below(self, limit: int) -> int:
        """An integer from 0 to `limit` - 1."""
        if not self._left:
            data = _random_bytes(self._spec, f"row {self._number}", self._purpose, 256)
            self._purpose += 1
            self._left.extend(struct.unpack("<64I", data))
        return self._left.pop() * limit >> 32

    def chance(self, fraction: float) -> bool:
        """True in `fraction` of all cases."""
        return fraction > 0 and self.below(1_000_000) < round(fraction * 1_000_000)

    def choice(self, options: tuple[str, ...] | list[str]) -> str:
        """One of the options."""
        return options[self.below(len(options))]


def _tail(spec: CsvSpec, draws: _Draws) -> bytes:
    row_fields = [] if spec.column_count == 1 else [f"k{draws.below(spec.distinct_keys)}"]
    if spec.typed:
        makers = islice(cycle(TYPED_COLUMNS.values()), max(0, spec.column_count - 2))
        row_fields += [_typed_field(spec, draws, text_of) for text_of in makers]
    else:
        row_fields += [_field(spec, draws) for _ in range(spec.column_count - 2)]
    tail = "".join("," + field for field in row_fields) + spec.line_end
    if draws.chance(spec.blank_line_fraction):
        tail += spec.line_end
    return tail.encode()


def _field(spec: CsvSpec, draws: _Draws) -> str:
    if draws.chance(spec.empty_fraction):
        return '""' if draws.chance(spec.quoted_fraction) else ""
    text = _text(spec, draws)
    # Where something is put in, so that it stands at either end as often as inside.
    cut = (0, len(text) // 2, len(text))[draws.below(3)]
    for fraction, pieces in (
        (spec.unicode_fraction, _UNICODE),
        (spec.hostile_fraction, _HOSTILE),
        (spec.newline_fraction, _NEWLINES),
    ):
        if draws.chance(fraction):
            text = text[:cut] + draws.choice(pieces) + text[cut:]
    return _quoted(text) if draws.chance(spec.quoted_fraction) else _quoted_if_needed(text)


def _typed_field(spec: CsvSpec, draws: _Draws, text_of: Callable[[_Draws], str] | None) -> str:
    if text_of is None:
        return _field(spec, draws)
    if draws.chance(spec.empty_fraction):
        return draws.choice(("", "NULL"))
    text = text_of(draws)
    return _quoted(text) if draws.chance(spec.quoted_fraction) else text


def _day(draws: _Draws) -> str:
    return f"20{draws.below(100):02d}-{draws.below(12) + 1:02d}-{draws.below(28) + 1:02d}"


TYPED_COLUMNS: Mapping[str, Callable[[_Draws], str] | None] = MappingProxyType(
    {
        "country": lambda draws: draws.choice(("AT", "CH", "DE", "FR", "IT")),
        "quantity": lambda draws: str(draws.below(2_001) - 1_000),
        "amount": lambda draws: f"{draws.below(10_000_000)}.{draws.below(100):02d}",
        "ratio": lambda draws: repr(draws.below(1_000_000) / 4_096),
        "day": _day,
        "at": lambda draws: f"{_day(draws)}T{draws.below(24):02d}:{draws.below(60):02d}:00Z",
        "paid": lambda draws: draws.choice(("true", "false")),
        "note": None,
    }
)
"""The columns of a typed file after `id` and `key`: what makes the text of one, None: any text."""


def _text(spec: CsvSpec, draws: _Draws) -> str:
    if spec.field_characters <= 20:
        kind = draws.below(4)
        if kind == 0:
            return str(draws.below(1_000_000))
        if kind == 1:
            return f"{draws.below(2000) - 1000}.{draws.below(100):02d}"
        if kind == 2:
            return _day(draws)
    length = max(1, spec.field_characters // 2 + draws.below(spec.field_characters + 1))
    text = draws.choice(_WORDS)
    while len(text) < length:
        text += " " + draws.choice(_WORDS)
    return text[:length].rstrip()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _quoted_if_needed(text: str) -> str:
    return _quoted(text) if any(mark in text for mark in '",\r\n') else text
