"""A run as a page of HTML: time on one axis, rows on the other.

Imports: the ground, testing/checker, testing/history, testing/judging.
Imported by: cli, testing/pytest_plugin.
Read: report, chart (a history as coordinates), __main__.
"""
