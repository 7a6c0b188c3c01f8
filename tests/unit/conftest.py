"""Hypothesis for unit tests: no deadline for one example, as the host may be busy."""

from hypothesis import settings

settings.register_profile("csvkafka", deadline=None)
settings.load_profile("csvkafka")
