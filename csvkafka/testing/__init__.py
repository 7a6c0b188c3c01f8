"""The harness: what judges a loader, and what makes the files and faults to judge it with."""
