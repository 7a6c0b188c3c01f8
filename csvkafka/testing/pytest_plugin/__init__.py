"""The pytest plugin: the fixtures `stack` and `recovery_case`, and the report of a session.

Imports: the ground, local, testing/history, testing/judging, testing/report, testing/stacks.
Imported by: nobody.
Read: plugin, recovery_fixtures, report_plugin.
"""
