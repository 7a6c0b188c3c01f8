"""Hypothesis for unit tests: no deadline for one example, as the host may be busy.

`--hypothesis-profile fewer-examples` takes a fifth of the examples (`nox -s fast`).
"""

from hypothesis import settings

settings.register_profile("csvkafka", deadline=None)
settings.register_profile("fewer-examples", deadline=None, max_examples=20)
settings.load_profile("csvkafka")
