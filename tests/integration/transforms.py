"""Transforms that tests name by `module:function`."""

from __future__ import annotations

from collections.abc import Mapping


def shout(row: dict[str, object], _: int) -> Mapping[str, object]:
    return {**row, "name": f"{row['name']}!".upper()}


def bare(row: dict[str, object], _: int) -> Mapping[str, object]:
    """Without the source's line and name."""
    return {"id": row["id"], "name": row["name"]}


def refuse_seven(row: dict[str, object], _: int) -> Mapping[str, object]:
    if row["id"] == "7":
        raise ValueError("no sevens")
    return row
