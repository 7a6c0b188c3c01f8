"""The embedded stack keeps its promises: apart from others, alive after kills, gone with us."""

from __future__ import annotations

from csvkafka.local.stack import EmbeddedStack


def test_kafka_tools_see_a_created_topic(stack: EmbeddedStack) -> None:
    stack.create_topic("seen-by-tools", partitions=2)
    listed = stack.kafka_tool(
        "org.apache.kafka.tools.TopicCommand",
        ["--bootstrap-server", stack.bootstrap_servers, "--list"],
    )
    assert "seen-by-tools" in listed.split()
