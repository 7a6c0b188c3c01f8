"""Where Kafka, S3 and DynamoDB come from besides `local`: containers, or what is there already.

Imports: the ground, config, ledger, local.
Imported by: cli, testing/pytest_plugin.
Read: choice, containers, container_server, container_broker, container_disk, engine, images,
external.
"""
