output "job" {
  description = "The job with its defaults."
  value       = module.job.job
}

output "account_id" {
  description = "The account."
  value       = local.account_id
}

output "region" {
  description = "The region."
  value       = local.region
}

output "partition" {
  description = "aws, aws-cn or aws-us-gov."
  value       = local.partition
}

output "environment" {
  description = "The job's environment variables."
  value       = module.job.environment
}

output "source" {
  description = "The variable that s3_key is given as: S3_PREFIX if it is a set, else S3_KEY."
  value       = module.job.source
}

output "secrets" {
  description = "Environment variables that Secrets Manager holds."
  value       = module.job.secrets
}

output "table_name" {
  description = "Checkpoint table."
  value       = var.create_table ? aws_dynamodb_table.checkpoint[0].name : var.table_name
}

output "repository_url" {
  description = "Where the image is pushed."
  value       = aws_ecr_repository.job.repository_url
}

output "repository_name" {
  description = "The repository's name."
  value       = aws_ecr_repository.job.name
}

output "security_group_id" {
  description = "The job's security group: let it in at the brokers."
  value       = aws_security_group.job.id
}

output "task_role_arn" {
  description = "The job's role."
  value       = aws_iam_role.task.arn
}

output "task_role_name" {
  description = "The job's role, by name."
  value       = aws_iam_role.task.name
}

output "execution_role_arn" {
  description = "The role that starts the task; null for an instance."
  value       = one(aws_iam_role.execution[*].arn)
}

output "log_group_name" {
  description = "The job's log group."
  value       = aws_cloudwatch_log_group.job.name
}

output "alarm_topic_arn" {
  description = "Where alarms are published."
  value       = aws_sns_topic.alarms.arn
}
