"""The embedded stack: a real Kafka, S3 and DynamoDB from pip packages alone (`csvkafka[local]`)."""
