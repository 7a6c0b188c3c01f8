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

output "region" {
  description = "The region."
  value       = module.shared.region
}

output "name" {
  description = "Name of the launch template, and tag Name of instances and Spot requests."
  value       = aws_launch_template.job.name
}

output "launch_template" {
  description = "Launch template with its version, for launch-spot.sh."
  value       = "${aws_launch_template.job.id}:${aws_launch_template.job.latest_version}"
}

output "job_env" {
  description = "The job's settings, one NAME=VALUE per line."
  value       = local.job_env
}

output "user_data" {
  description = "cloud-config of the instance."
  value       = local.user_data
}

output "max_price" {
  description = "Most dollars per hour; empty: the on-demand price."
  value       = var.max_price
}

output "run_command" {
  description = "Runs the job, or resumes it."
  value       = "./launch-spot.sh${var.job.s3_key == "" ? " --s3-key '${var.job.s3_prefix}FILE.csv' --job-id '${var.job.job_id}'" : ""}"
}

output "subnet_ids" {
  description = "Subnets, tried in this order."
  value       = join(" ", var.subnet_ids)
}
