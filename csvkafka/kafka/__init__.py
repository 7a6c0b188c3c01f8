"""Kafka: connections, questions, sending of batches, and the tail of a partition read back.

Imports: the ground, records.
Imported by: cli, processor, wiring, config, testing/checker, testing/judging.
Read: package (kafka-python without its clients), mended (a fault of it), settings, client
(connections and metadata), bootstrap (the first contact), port (what a port speaks), metadata,
cluster (questions), sink (carries batches; decides nothing), codes (what answers mean), tail,
probe_cases, probe (a server's rules), producer (the documented one).
"""

from csvkafka.kafka import mended  # noqa: F401
