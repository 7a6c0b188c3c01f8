"""Which test files are begun first."""

from __future__ import annotations

LONGEST_FIRST = (
    "test_simulator.py",
    "test_set_workers.py",
    "test_sets.py",
    "test_failover.py",
    "test_faults.py",
    "test_container_stack.py",
    "test_forgotten_producer.py",
    "test_random_kills.py",
    "test_kill_at_steps.py",
    "test_judge.py",
    "test_cli_demo.py",
    "test_local_stack.py",
    "test_docs_examples.py",
    "test_restart_points.py",
    "test_sets_simulated.py",
    "test_cli_jobs.py",
    "test_specification.py",
    "test_mistakes.py",
    "test_replay.py",
    "test_skipped_simulated.py",
    "test_checkpoint_file.py",
    "test_dropping_sets.py",
    "test_dead_letters.py",
    "test_real_registry.py",
    "test_skip_file.py",
    "test_routing.py",
)
"""Files of tests/integration, tests/recovery and tests/containers that take longest. Where several
processes share the files of a run, none of these is to be begun last, with nothing left to do for
the others."""
