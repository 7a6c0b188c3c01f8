"""The real loop and ledger on fakes and virtual time: thousands of schedules a minute.

Imports: the ground, encode, job, ledger, pipeline, records, rows, schema, sets, testing/checker.
Imported by: nobody.
Read: simulation (one run), life (one worker of it), store_tasks, schedule (what befalls it),
virtual_clock, points (where a fake lets something happen), fake_kafka, partition_log (the leader's
rules), fake_table, fake_source, fake_set, large_rows, simulation_judge, search, __main__.
"""
