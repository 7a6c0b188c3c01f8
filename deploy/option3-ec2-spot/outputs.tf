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
  value       = "./launch-spot.sh${module.shared.job.s3_key == "" ? " --s3-key '${module.shared.job.s3_prefix}FILE.csv' --job-id '${module.shared.job.job_id}'" : ""}"
}

output "max_days" {
  description = "Days in which EC2 may start another instance for a job."
  value       = var.max_days
}

output "tags" {
  description = "Tags of instances and Spot requests, in the form of aws ec2."
  value       = join(",", [for name, value in local.tags : "{Key=${jsonencode(name)},Value=${jsonencode(value)}}"])
}

output "alarm_topic_arn" {
  description = "Where alarms are published."
  value       = module.shared.alarm_topic_arn
}

output "no_progress_minutes" {
  description = "A job that stored no row for so long is alarmed."
  value       = var.no_progress_minutes
}

output "assign_public_ip" {
  description = "Whether instances get a public address."
  value       = var.assign_public_ip
}
