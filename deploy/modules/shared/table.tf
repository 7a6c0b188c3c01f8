# The checkpoints: one item for each job. It is the job's memory; see the deletion flag in docs/deploy.md.
resource "aws_dynamodb_table" "checkpoint" {
  # checkov:skip=CKV_AWS_119: See server_side_encryption below.
  count = var.create_table ? 1 : 0

  name                        = var.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "job_id"
  deletion_protection_enabled = var.table_deletion_protection

  attribute {
    name = "job_id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  # The key is AWS's own for DynamoDB: nothing in an item is secret, and a key of one's own costs
  # each call a permission that can be lost in the middle of a job.
  server_side_encryption {
    enabled = true
  }
}
