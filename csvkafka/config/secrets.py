"""Settings that are secret: each may be @FILE that holds it, and no message shows it."""

from __future__ import annotations

import base64
from pathlib import Path

from csvkafka.errors import ConfigError

CUSTOMER_KEY_BYTES = 32
"""S3 encrypts by AES-256 only."""

HASH_KEY_BYTES = (16, 64)
"""Fewest and most: with fewer, a hash could be undone by trying all keys; BLAKE2b takes no more."""


def customer_key(text: str | None) -> bytes | None:
    """The 32 bytes of S3_SSE_CUSTOMER_KEY, which may be in base64. Raises ConfigError."""
    if text is None:
        return None
    content, where = _content(text, "S3_SSE_CUSTOMER_KEY")
    if len(content) == CUSTOMER_KEY_BYTES:
        return content
    try:
        key = base64.b64decode(content.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != CUSTOMER_KEY_BYTES:
        raise ConfigError(
            f"S3_SSE_CUSTOMER_KEY must be {CUSTOMER_KEY_BYTES} bytes in base64 (44 characters), or "
            f"@FILE; {where} is none"
        )
    return key


def hash_key(text: str) -> bytes:
    """The bytes of CSV_HASH_KEY; the line end of a file is none of them. Raises ConfigError."""
    key, where = _content(text, "CSV_HASH_KEY")
    if text.startswith("@"):
        key = key.rstrip(b"\r\n")
    if not HASH_KEY_BYTES[0] <= len(key) <= HASH_KEY_BYTES[1]:
        raise ConfigError(
            f"CSV_HASH_KEY must be {HASH_KEY_BYTES[0]} to {HASH_KEY_BYTES[1]} bytes, or @FILE "
            f"that holds them; {where} has {len(key)}"
        )
    return key


def authorization(text: str | None) -> str | None:
    """The header's text in SOURCE_AUTHORIZATION. Raises ConfigError."""
    if text is None:
        return None
    content, where = _content(text, "SOURCE_AUTHORIZATION")
    header = content.decode("utf-8", "replace")
    if text.startswith("@"):
        header = header.strip()
    if not header or not header.isascii() or not header.isprintable():
        raise ConfigError(
            f"SOURCE_AUTHORIZATION must be one line of ASCII, such as `Bearer TOKEN`; {where} is "
            "none"
        )
    return header


def _content(text: str, variable: str) -> tuple[bytes, str]:
    """What the text is, or what the file holds that it names; and where that is from, in words."""
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape"), "the value given"
    where = f"file {text[1:]}"
    try:
        return Path(text[1:]).read_bytes(), where
    except OSError as error:
        raise ConfigError(f"{variable}: cannot read {where} ({error}); check it") from error
