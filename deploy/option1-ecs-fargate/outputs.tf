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
        { name = module.shared.source, value = module.shared.job.s3_key == "" ? "${module.shared.job.s3_prefix}FILE.csv" : module.shared.job.s3_key },
        { name = "JOB_ID", value = module.shared.job.job_id },
      ]
    }]
  }
}

output "container" {
  description = "The task's container."
  value       = local.container
}

output "capacity_provider" {
  description = "Where tasks run: FARGATE or FARGATE_SPOT."
  value       = local.provider
}

output "network" {
  description = "The tasks' network, in the form of aws ecs."
  value       = jsonencode(local.run_network)
}

output "run_command" {
  description = "Runs the job, or resumes it."
  value = join(" \\\n  ", [
    "aws ecs run-task --region ${module.shared.region} --cluster ${aws_ecs_cluster.job.name}",
    "--task-definition ${aws_ecs_task_definition.job.family} --propagate-tags TASK_DEFINITION",
    "--capacity-provider-strategy capacityProvider=${local.provider},weight=1",
    "--network-configuration '${jsonencode(local.run_network)}'",
    "--overrides '${jsonencode(local.run_overrides)}'",
  ])
}
