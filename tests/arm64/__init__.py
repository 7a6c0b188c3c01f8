"""The tests of what is compiled, run on another processor; see `__main__`."""
