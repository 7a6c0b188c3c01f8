"""What concerns the process and not the load: signals, the log, the garbage collector.

Imports: the ground, records.
Imported by: __main__, cli, processor, testing/processes, wiring.
Read: signals, ending (exit codes), logs, load_progress (how far a load is), load_log (the
documented lines), set_log, record_log (DEBUG), collector.
"""
