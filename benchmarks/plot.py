"""Draws the section growth: rows/s and memory against the number of rows, as an SVG text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, MARGIN = 640, 300, 56

_STYLE = "font-family='sans-serif' font-size='12' fill='#444'"


def growth(lines: Sequence[Mapping[str, float]]) -> str:
    """The plot; the horizontal axis is logarithmic."""
    counts = [line["records"] for line in lines]
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}'>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>",
        _curve(counts, [line["records/s"] for line in lines], "#1769aa", 0, "rows/s"),
        _curve(counts, [line["peak MB"] for line in lines], "#b3541e", 1, "MB of memory"),
        f"<line x1='{MARGIN}' y1='{HEIGHT - MARGIN}' x2='{WIDTH - MARGIN}' y2='{HEIGHT - MARGIN}' "
        "stroke='#444'/>",
    ]
    for count in counts:
        parts.append(
            f"<text x='{_across(counts, count):.0f}' y='{HEIGHT - MARGIN + 18}' "
            f"text-anchor='middle' {_STYLE}>{count / 1e6:.0f} million</text>"
        )
    parts.append(
        f"<text x='{WIDTH / 2}' y='{HEIGHT - 12}' text-anchor='middle' {_STYLE}>rows in the file"
        "</text></svg>\n"
    )
    return "\n".join(parts)


def _across(counts: Sequence[float], count: float) -> float:
    low, high = math.log(min(counts)), math.log(max(counts))
    return MARGIN + 40 + (math.log(count) - low) / (high - low or 1) * (WIDTH - 2 * MARGIN - 80)


def _curve(
    counts: Sequence[float], values: Sequence[float], colour: str, place: int, name: str
) -> str:
    """One line, scaled to its own largest value; its scale begins at 0."""
    top = max(values) * 1.25
    height = HEIGHT - 2 * MARGIN
    points = [
        (_across(counts, count), HEIGHT - MARGIN - value / top * height)
        for count, value in zip(counts, values, strict=True)
    ]
    path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    parts = [f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"]
    for (x, y), value in zip(points, values, strict=True):
        parts.append(f"<circle cx='{x:.0f}' cy='{y:.0f}' r='4' fill='{colour}'/>")
        parts.append(
            f"<text x='{x:.0f}' y='{y - 10:.0f}' text-anchor='middle' {_STYLE}>{value:,.0f}</text>"
        )
    parts.append(
        f"<text x='{MARGIN + place * 160}' y='22' {_STYLE.replace('#444', colour)}>{name}</text>"
    )
    return "\n".join(parts)
