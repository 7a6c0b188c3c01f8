"""Limits and defaults: how much csvkafka does at once, and how far Kafka's own numbers reach."""

MAX_BATCH_BYTES = 1_000_000
"""The largest batch of several rows on the wire; a little less than what brokers take by default.
"""

SMALLEST_BATCH_BYTES = 16_384
"""Below this a batch holds so few rows that the load would crawl; Kafka's own `batch.size`."""

MAX_RECORD_BYTES = 8_000_000
"""The largest batch of one row that is longer than that, if the topic takes so much."""

RECORD_LIMIT_SETTING = "MAX_RECORD_BYTES"
SIZE_LIMIT_SETTING = "DEAD_LETTER_ABOVE_BYTES"

BLOCK_BYTES = 256 * 1024
"""Source bytes of a block, by measurement (docs/performance.md). With more, the Python encoder's
objects do not stay in the processor's cache; with fewer there are more batches, and each costs
loader and broker something."""

POINT_SPACING_BYTES = 128 * 1024 * 1024
"""Content between two restart points of a compressed source: ISA-L decompresses that much in 0.1 to
0.2 s. To find a point costs about 0.03 s, and 0.15 s where there is none."""

ENCODE_THREADS = 2
"""Threads that encode blocks, by measurement on two cores (docs/performance.md)."""

SEQUENCE_MODULUS = 2**31
"""Kafka's producer sequence numbers run from 0 to 2^31 - 1 and start over."""

LAST_EPOCH = 2**15 - 1
"""A producer epoch is a signed number of 16 bits. It does not start over: this is its end."""
