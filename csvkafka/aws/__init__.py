"""S3 and DynamoDB: clients, the source as a stream of bytes, the job's item in its table.

Imports: the ground, rows, sets.
Imported by: checkpoint, cli, config, processor, sources, stores, testing/inputs, testing/judging,
testing/processes.
Read: clients (every setting, and what an AWS error means), strangers (an answer that is none of
AWS's), credential_faults, s3_source, s3_get (GETs of many objects of one bucket), signed_gets (made
like one of the SDK's), kept_connections, smart_open_s3, s3_refusals (what S3's refusal of one
object means), s3_listing, s3_set (objects that make a set), dynamodb_item.
"""
