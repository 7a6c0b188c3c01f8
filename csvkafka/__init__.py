"""Loads one CSV object from S3 into a Kafka topic: every row exactly once and in order."""

__version__ = "0.1.0"
