"""What a source tells of its restart points, in a list."""

from __future__ import annotations

from dataclasses import dataclass, field

from csvkafka.model import RestartPoint, SourceIdentity


@dataclass
class Points:
    """Implements `interfaces.RestartPoints`; `start` is what is told to begin with."""

    spacing_bytes: int
    start: RestartPoint | None = None
    all: list[RestartPoint] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)

    def begin(self, source: SourceIdentity, byte_offset: int) -> RestartPoint | None:  # noqa: ARG002
        """See `interfaces.RestartPoints`."""
        return self.start

    def found(self, point: RestartPoint) -> None:
        """See `interfaces.RestartPoints`."""
        self.all.append(point)

    def read_to(self, content_bytes: int, stored_bytes: int) -> None:
        """See `interfaces.RestartPoints`."""
        self.places.append((content_bytes, stored_bytes))
