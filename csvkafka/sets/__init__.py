"""A set of files as one source: which objects belong to it, and the list of them, frozen.

Imports: the ground.
Imported by: aws, config, job, ledger, sources, testing/simulator.
Read: selection (which objects of a listing are taken), manifest (objects by name), frozen (the
list, in chunks, with its digest), differences (what is not as it was frozen), some_keys.
"""
