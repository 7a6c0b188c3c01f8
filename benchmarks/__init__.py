"""Speed, memory and the cost of safety of csvkafka, measured beside what users would pick instead.

`python -m benchmarks` runs it all and prints tables; docs/performance.md says what they mean.
"""
