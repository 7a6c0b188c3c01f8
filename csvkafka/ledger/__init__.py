"""The job's item: what is in it, who owns it, and each conditional write to it.

Imports: the ground, sets.
Imported by: checkpoint, cli, job, pipeline, testing/checker, testing/simulator, testing/stacks,
wiring.
Read: item, ledger (the writes; docs/architecture.md has their conditions), list_chunks (a set's
list, beside the item), owner.
"""
