"""What is done to a loader: a proxy with its faults, an S3 that misbehaves, kills and pauses.

Imports: the ground, local, testing/history.
Imported by: testing/judging, testing/processes.
Read: proxy, proxy_faults (one class a fault), faulty_s3, strikes (kills seen from outside),
crash_point (kills at a step).
"""
