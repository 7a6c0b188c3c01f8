"""The loop: encoded blocks in, batches out, acknowledgements back, checkpoints beside it.

Imports: the ground, encode, ledger, rows.
Imported by: cli, config, job, testing/checker, testing/simulator, wiring.
Read: pipeline (the loop itself), sequencer (which batch goes now, and which again), progress (the
acknowledged prefix), item_writer (stores it), settings, block_feed (reads and encodes ahead),
bad_row_limit (ends it early), pieces_ahead (small files of a set), encode_workers, daemon_threads,
store_thread.
"""
