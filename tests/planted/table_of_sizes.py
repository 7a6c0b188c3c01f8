"""Bugs of rows that make too large a record, and what must be found of each."""

from __future__ import annotations

from tests.planted import sizes
from tests.planted.plant import plant

OF_SIZES = (
    plant(
        "size-compressed",
        "a record is measured as a codec makes it",
        sizes.some_are_too_large,
        "phantom-row",
    ),
    plant(
        "size-of-the-value-alone",
        "a record's key and headers are not measured",
        sizes.some_are_too_large,
        "phantom-row",
    ),
    plant(
        "size-limit-that-is-met",
        "a record of just the limit's size is set aside",
        sizes.some_are_too_large,
        "lost-row",
        "checkpoint-ahead",
    ),
    plant(
        "size-limit-of-today",
        "a resume takes the limit that would hold if the job began now",
        sizes.some_are_too_large,
        # The loader itself refuses where letters after the checkpoint are in their topic already.
        "phantom-row or error Sequence",
    ),
    plant(
        "size-compiled-limit-too-large",
        "the compiled encoder makes rows that are a little above the limit itself",
        sizes.some_are_too_large,
        "phantom-row",
    ),
)
