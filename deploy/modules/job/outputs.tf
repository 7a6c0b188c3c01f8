output "job" {
  description = "The job with its defaults."
  value       = var.job

  precondition {
    condition     = length(setsubtract(var.attributes, keys(var.job))) == 0
    error_message = "job has no attribute ${join(", ", setsubtract(var.attributes, keys(var.job)))}; it has ${join(", ", keys(var.job))}."
  }
}

output "environment" {
  description = "The job's environment variables."
  value       = local.environment
}

output "source" {
  description = "The variable that s3_key is given as: S3_PREFIX if it is a set, else S3_KEY."
  value       = local.source
}

output "secrets" {
  description = "Environment variables whose values Secrets Manager holds: name to ARN with JSON key."
  value       = local.secrets
}

output "task_policy" {
  description = "IAM policy of the job itself, as JSON."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
