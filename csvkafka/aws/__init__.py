"""S3 and DynamoDB: clients, the source as a stream of bytes, the job's item in its table.

Imports: the ground, rows.
Imported by: checkpoint, cli, processor, testing/checker, testing/inputs, testing/judging.
Read: clients (every setting, and what an AWS error means), s3_source, dynamodb_item.
"""
