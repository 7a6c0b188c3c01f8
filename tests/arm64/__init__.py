"""Tests of what is compiled on another processor; see `__main__`."""
