output "job_queue" {
  description = "Where jobs are submitted."
  value       = aws_batch_job_queue.job.name
}

output "job_definition" {
  description = "What is submitted: its newest revision."
  value       = aws_batch_job_definition.job.name
}

output "manifest_prefix" {
  description = "Where submit-files.sh puts manifests: inside the prefix that the job may read."
  value       = "${module.shared.job.s3_prefix}csvkafka-manifests/"
}

output "run_command" {
  description = "Runs the job, or resumes it."
  value = join(" \\\n  ", [
    "aws batch submit-job --region ${module.shared.region} --job-name ${var.name}",
    "--job-queue ${aws_batch_job_queue.job.name}",
    "--job-definition ${aws_batch_job_definition.job.name}",
    "--parameters '${jsonencode({
      key    = module.shared.job.s3_key == "" ? "${module.shared.job.s3_prefix}FILE.csv" : module.shared.job.s3_key
      job_id = module.shared.job.job_id
    })}'",
  ])
}
