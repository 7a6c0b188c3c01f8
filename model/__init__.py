"""The protocol as a model for spin: what it is asked, and the runs. See docs/model.md."""
