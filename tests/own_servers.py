"""Which fixtures start servers of their own: on each stack that is other code."""

from __future__ import annotations

OWN_SERVERS = frozenset(
    (
        *("forgetful_stack", "guarded_stack", "harmed_stack", "kafka_of_my_own", "three_brokers"),
        "kafka_proxy",  # before a listener that each stack sets up in its own way
        "only_on_containers",  # of every test in tests/containers
    )
)
"""Fixtures for which a stack does more than to be there."""
