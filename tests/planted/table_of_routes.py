"""Bugs of rows that go to several topics, and what must be found of each."""

from __future__ import annotations

from tests.planted import routes
from tests.planted.plant import plant

OF_ROUTES = (
    plant(
        "route-by-a-part-of-the-text",
        "a row goes to the topic of a text with which its own begins",
        routes.to_three_topics,
        "reordered-row",
    ),
    plant(
        "route-and-the-topic-of-others",
        "a routed row goes to the topic of other rows too",
        routes.to_three_topics,
        "duplicate-row",
        *("reordered-row", "checkpoint-ahead"),
    ),
    plant(
        "route-to-none",
        "the rows of one topic are left out",
        routes.to_three_topics,
        "lost-row",
        "checkpoint-ahead",
    ),
    plant(
        "route-with-the-partitions-of-others",
        "a key chooses among as many partitions as the topic of other rows has",
        routes.by_key,
        "reordered-row",
    ),
    plant(
        "route-forgotten-at-a-resume",
        "a resume sends again what routed topics have got since the checkpoint",
        routes.killed_among_routed_rows,
        "duplicate-row",
        "reordered-row",
    ),
    plant(
        "route-by-the-partitions-of-today",
        "a resume counts the partitions that a routed topic has now",
        routes.a_routed_topic_gets_partitions,
        "reordered-row or error ItemUnusable",
    ),
)
