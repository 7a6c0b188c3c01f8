"""In which encodings bytes would be text: for the message about bytes that are none.

No encoding can be known for certain from bytes alone, so this only says which ones are possible,
the likelier first, each with the character that the bytes in question would be.
"""

from __future__ import annotations

# Of several bytes a character first: text in another encoding hardly ever fits one of these.
_CANDIDATES = (
    *("utf-8", "euc_jp", "euc_kr", "gb2312", "gb18030", "big5", "shift_jis"),
    *("cp1252", "cp1250", "cp1251", "koi8-r", "cp850"),
)
_SHOWN = 3
_HOLDS_TEXT = ("L", "M", "N", "P", "S", "Zs")


def is_mostly(sample: bytes, codec: str) -> bool:
    """Whether most characters of `sample` beyond ASCII are right in `codec`."""
    text = sample.decode(codec, "replace")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return beyond_ascii > 2 * text.count("\ufffd")


def possible_encodings(sample: bytes, begin: int, but_not: str) -> list[tuple[str, str]]:
    """At most three encodings in which the whole `sample` is text, each with the character that
    begins at byte `begin` in it."""
    found = []
    for codec in _CANDIDATES:
        if codec == but_not:
            continue
        try:
            text = sample.decode(codec)
            character = sample[begin : begin + 4].decode(codec, "ignore")[:1]
        except UnicodeDecodeError:
            continue
        if character and _is_text(text):
            found.append((codec, character))
    return found[:_SHOWN]


def _is_text(text: str) -> bool:
    """Whether all of it beyond ASCII can be seen."""
    import unicodedata

    return all(
        unicodedata.category(character).startswith(_HOLDS_TEXT)
        for character in set(text)
        if character > "\x7f"
    )
