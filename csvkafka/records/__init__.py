"""Kafka's record batch, version 2, in bytes, written and read; and its compression codecs.

Imports: the ground.
Imported by: encode, job, kafka, process, testing/simulator.
Read: record_batch, codecs.
"""
