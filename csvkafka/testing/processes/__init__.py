"""Loaders as real processes: started, signalled, watched, and killed at a step.

Imports: the ground, aws, config, files, local, process, testing/faults, testing/history, wiring.
Imported by: cli, testing/judging.
Read: supervisor, loader_command (a loader that is not ours), worker (csvkafka with an observer that
kills it), step_log, nursery (forks workers that start at once), nursery_process.
"""
