output "repository_url" {
  description = "Where deploy.sh pushes the image."
  value       = module.shared.repository_url
}

output "log_group_name" {
  description = "The job's log: aws logs tail NAME --follow."
  value       = module.shared.log_group_name
}

output "table_name" {
  description = "Checkpoint table."
  value       = module.shared.table_name
}

output "security_group_id" {
  description = "The job's security group: let it in at the brokers."
  value       = module.shared.security_group_id
}

output "job_queue" {
  description = "Where jobs are submitted."
  value       = aws_batch_job_queue.job.name
}

output "job_definition" {
  description = "What is submitted, with its revision."
  value       = "${aws_batch_job_definition.job.name}:${aws_batch_job_definition.job.revision}"
}

output "bucket" {
  description = "Bucket of the CSV objects and of manifests."
  value       = var.job.s3_bucket
}

output "manifest_prefix" {
  description = "Where submit-files.sh puts manifests: inside the prefix that the job may read."
  value       = "${var.job.s3_prefix}csvkafka-manifests/"
}

output "region" {
  description = "The region."
  value       = module.shared.region
}

output "run_command" {
  description = "Runs the job, or resumes it."
  value = join(" \\\n  ", [
    "aws batch submit-job --region ${module.shared.region} --job-name ${var.name}",
    "--job-queue ${aws_batch_job_queue.job.name}",
    "--job-definition ${aws_batch_job_definition.job.name}:${aws_batch_job_definition.job.revision}",
    "--parameters '${jsonencode({
      key    = var.job.s3_key == "" ? "${var.job.s3_prefix}FILE.csv" : var.job.s3_key
      job_id = var.job.job_id
    })}'",
  ])
}
