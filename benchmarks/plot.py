"""Draws the section growth: rows/s and memory against the number of rows, as an SVG text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, PANEL_HEIGHT, MARGIN = 640, 120, 56

_FONT = "font-family='sans-serif' font-size='12'"


def growth(lines: Sequence[Mapping[str, float]]) -> str:
    """The plot: a panel for each figure, its axis from 0; the number of rows is logarithmic."""
    counts = [line["records"] for line in lines]
    bottom = 2 * (PANEL_HEIGHT + 40)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {bottom + 44}'>",
        f"<rect width='{WIDTH}' height='{bottom + 44}' fill='white'/>",
        _panel(counts, [line["records/s"] for line in lines], "#1769aa", 0, "rows/s"),
        _panel(counts, [line["peak MB"] for line in lines], "#b3541e", 1, "MB of memory"),
    ]
    parts += [
        f"<text x='{_across(counts, count):.0f}' y='{bottom + 18}' text-anchor='middle' "
        f"{_FONT} fill='#444'>{count / 1e6:.0f} million</text>"
        for count in counts
    ]
    parts.append(
        f"<text x='{WIDTH // 2}' y='{bottom + 38}' text-anchor='middle' {_FONT} fill='#444'>"
        "rows in the file</text></svg>\n"
    )
    return "\n".join(parts)


def _across(counts: Sequence[float], count: float) -> float:
    low, high = math.log(min(counts)), math.log(max(counts))
    return MARGIN + 40 + (math.log(count) - low) / (high - low or 1) * (WIDTH - 2 * MARGIN - 80)


def _panel(
    counts: Sequence[float], values: Sequence[float], colour: str, place: int, name: str
) -> str:
    floor = (place + 1) * (PANEL_HEIGHT + 40)
    top = max(values) * 1.25
    points = [
        (_across(counts, count), floor - value / top * PANEL_HEIGHT)
        for count, value in zip(counts, values, strict=True)
    ]
    path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    parts = [
        f"<text x='{MARGIN}' y='{floor - PANEL_HEIGHT - 12}' {_FONT} fill='{colour}'>{name}</text>",
        f"<line x1='{MARGIN}' y1='{floor}' x2='{WIDTH - MARGIN}' y2='{floor}' stroke='#444'/>",
        f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>",
    ]
    for (x, y), value in zip(points, values, strict=True):
        parts.append(f"<circle cx='{x:.0f}' cy='{y:.0f}' r='4' fill='{colour}'/>")
        parts.append(
            f"<text x='{x:.0f}' y='{y - 10:.0f}' text-anchor='middle' {_FONT} fill='{colour}'>"
            f"{value:,.0f}</text>"
        )
    return "\n".join(parts)
