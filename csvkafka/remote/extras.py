"""What to say when an extra's package is not installed."""

from __future__ import annotations

from csvkafka.errors import ConfigError


def missing_extra(uri: str, extra: str, error: ImportError) -> ConfigError:
    """What to raise, `from error`."""
    return ConfigError(
        f"reading {uri} needs a package that is not installed ({error}): install csvkafka[{extra}]"
    )
