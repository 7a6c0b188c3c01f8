# Read by common.tf.
locals {
  option        = "ecs-fargate"
  task_services = ["ecs-tasks.amazonaws.com"]
  secret_reader = "ecs"
}

locals {
  container = "csv-to-kafka"
  provider  = var.fargate_spot ? "FARGATE_SPOT" : "FARGATE"
}

resource "aws_ecs_cluster" "job" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "job" {
  cluster_name       = aws_ecs_cluster.job.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = local.provider
    weight            = 1
  }
}

resource "aws_ecs_task_definition" "job" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task_cpu
  memory                   = var.task_memory
  task_role_arn            = module.shared.task_role_arn
  execution_role_arn       = module.shared.execution_role_arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  # User and command are the image's own: 65532, and the documented main().
  container_definitions = jsonencode([{
    name                   = local.container
    image                  = "${module.shared.repository_url}:${var.image_tag}"
    essential              = true
    readonlyRootFilesystem = true
    stopTimeout            = var.stop_timeout_seconds
    environment            = [for name, value in module.shared.environment : { name = name, value = value }]
    secrets                = [for name, arn in module.shared.secrets : { name = name, valueFrom = arn }]
    linuxParameters        = { initProcessEnabled = false, capabilities = { drop = ["ALL"] } }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = module.shared.log_group_name
        awslogs-region        = module.shared.region
        awslogs-stream-prefix = "job"
      }
    }
  }])
}
