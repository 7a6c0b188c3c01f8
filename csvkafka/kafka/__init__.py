"""Kafka: connections, questions, sending of batches, and the tail of a partition read back.

Imports: the ground, records.
Imported by: cli, config, processor, testing/checker, testing/judging.
Read: settings, client (connections and metadata), bootstrap (the first contact), port (what a port
speaks), metadata, cluster (questions), sink (carries batches; decides nothing), codes (what answers
mean), tail, probe_cases, probe (a server's rules).
"""
