"""What concerns the process and not the load: signals, the log, the garbage collector.

Imports: the ground.
Imported by: __main__, cli, processor, testing/processes.
Read: signals, logs, load_log (the documented lines), collector.
"""
