"""The job's item: what is in it, who owns it, and each conditional write to it.

Imports: the ground, sets.
Imported by: checkpoint, cli, job, pipeline, sources, testing/checker, testing/judging,
testing/simulator, testing/stacks, wiring.
Read: item, ledger (the writes; docs/architecture.md has their conditions), owner, list_chunks (a
set's list, beside the item), file_marks (which files of a set are loaded), skipped_item (the write
that leaves one out), point_item (an item beside the job's), restart_points, stored_places.
"""
