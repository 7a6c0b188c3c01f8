"""Objects of web servers, of Google Cloud Storage and of Azure, each as a stream of bytes.

Imports: the ground, rows.
Imported by: config, sources.
Read: place (what a URI names), remote_source (one object, pinned, read on after each fault), faults
(what an answer means), extras (what is not installed), web_object, gcs_object,
azure_object, opened (which of them a URI needs).
"""
