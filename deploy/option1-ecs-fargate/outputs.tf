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

locals {
  run_network = {
    awsvpcConfiguration = {
      subnets        = var.subnet_ids
      securityGroups = [module.shared.security_group_id]
      assignPublicIp = var.assign_public_ip ? "ENABLED" : "DISABLED"
    }
  }
  run_overrides = {
    containerOverrides = [{
      name = local.container
      environment = [
        { name = "S3_KEY", value = var.job.s3_key == "" ? "${var.job.s3_prefix}FILE.csv" : var.job.s3_key },
        { name = "JOB_ID", value = var.job.job_id },
      ]
    }]
  }
}

output "run_command" {
  description = "Runs the job, or resumes it."
  value = join(" \\\n  ", [
    "aws ecs run-task --region ${module.shared.region} --cluster ${aws_ecs_cluster.job.name}",
    "--task-definition ${aws_ecs_task_definition.job.family}:${aws_ecs_task_definition.job.revision} --propagate-tags TASK_DEFINITION",
    "--capacity-provider-strategy capacityProvider=${local.provider},weight=1",
    "--network-configuration '${jsonencode(local.run_network)}'",
    "--overrides '${jsonencode(local.run_overrides)}'",
  ])
}
