"""Which fixtures start servers of their own: on each stack that is other code."""

from __future__ import annotations

OWN_SERVERS = frozenset(
    (
        *("guarded_stack", "harmed_stack", "stack_to_harm", "three_brokers"),
        # Before a listener that each stack sets up in its own way.
        *("kafka_proxy", "forgetful_proxy"),
        "only_on_containers",  # of every test in tests/containers
    )
)
"""Fixtures for which a stack does more than to be there."""

OTHER_PROPERTIES = frozenset(("forgetful_stack",))
"""Fixtures that start a broker with other properties, and leave it alone. The same Kafka is asked
the same questions then, so one test, marked itself, is enough to see that the properties arrive."""
