"""The embedded stack: a real Kafka, S3 and DynamoDB from pip packages alone (`csvkafka[local]`).

Imports: the ground.
Imported by: cli, testing/faults, testing/judging, testing/processes, testing/pytest_plugin,
testing/stacks.
Read: base (what every stack can do), stack, broker, data_folder, java, class_archive, made_once,
releases, jars, lock_jars, aws, aws_server, processes (servers that never outlive us), guardian,
ports, run.
"""
