module "shared" {
  source = "../modules/shared"

  name                      = var.name
  job                       = var.job
  kafka_secret_kms_key_arn  = var.kafka_secret_kms_key_arn
  task_services             = ["ecs-tasks.amazonaws.com"]
  vpc_id                    = var.vpc_id
  table_name                = var.table_name
  create_table              = var.create_table
  table_deletion_protection = var.table_deletion_protection
  log_group_name            = "/aws/batch/csv-to-kafka"
  log_retention_days        = var.log_retention_days
  alarm_email               = var.alarm_email
  no_progress_minutes       = var.no_progress_minutes
}

locals {
  fargate = startswith(var.compute, "FARGATE")
  image   = "${module.shared.repository_url}:${var.image_tag}"

  # A job is described by its parameters. Those of an array job are the same for all its children:
  # array_child.py finds each child's file in the manifest.
  parameters = {
    key      = var.job.s3_key == "" ? "-" : var.job.s3_key
    job_id   = var.job.job_id
    manifest = "-"
  }

  # The first rule that fits decides; Batch takes five.
  retry = [
    # More of the same memory would end in the same way.
    { action = "EXIT", on_reason = "OutOfMemory*" },
    # The instance is gone (Spot interruption, maintenance), with or without an exit code.
    { action = "RETRY", on_status_reason = "Host EC2*" },
    # The loader says that it may succeed when it is just run again: a broker or a table is down.
    { action = "RETRY", on_exit_code = "75" },
    # 143: SIGTERM, as Fargate Spot's interruption, and the checkpoint is stored. 137: SIGKILL, and
    # nothing is lost. 1: array_child.py could not read its manifest; the loader does not end so.
    { action = "RETRY", on_exit_code = "1*" },
    # A setting or a file to be repaired, or what a person must look at (docs/errors.md): it stays so
    # ten times. Submit again once the cause is gone: the job resumes.
    { action = "EXIT", on_reason = "*" },
  ]
}

resource "aws_batch_compute_environment" "job" {
  name_prefix  = "${var.name}-"
  type         = "MANAGED"
  state        = "ENABLED"
  service_role = var.service_role_arn == "" ? null : var.service_role_arn

  compute_resources {
    type               = var.compute
    max_vcpus          = var.max_vcpus
    min_vcpus          = local.fargate ? null : 0
    subnets            = var.subnet_ids
    security_group_ids = [module.shared.security_group_id]

    allocation_strategy = local.fargate ? null : "SPOT_PRICE_CAPACITY_OPTIMIZED"
    instance_type       = local.fargate ? null : var.instance_types
    instance_role       = local.fargate ? null : aws_iam_instance_profile.instance[0].arn

    dynamic "launch_template" {
      for_each = aws_launch_template.instance
      content {
        launch_template_id = launch_template.value.id
        version            = launch_template.value.latest_version
      }
    }
  }

  # A queue cannot be without one: the new one first.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_batch_job_queue" "job" {
  name     = var.name
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.job.arn
  }
}

resource "aws_batch_job_definition" "job" {
  name                  = var.name
  type                  = "container"
  platform_capabilities = [local.fargate ? "FARGATE" : "EC2"]
  propagate_tags        = true
  parameters            = local.parameters

  container_properties = jsonencode(merge(
    {
      image = local.image
      # What array_child.py gets; the loader itself has its settings from the environment.
      command                = ["Ref::key", "Ref::job_id", "Ref::manifest"]
      jobRoleArn             = module.shared.task_role_arn
      executionRoleArn       = module.shared.execution_role_arn
      readonlyRootFilesystem = true
      environment            = [for name, value in module.shared.environment : { name = name, value = value } if !contains(["S3_KEY", "JOB_ID"], name)]
      secrets                = [for name, arn in module.shared.secrets : { name = name, valueFrom = arn }]
      resourceRequirements = [
        { type = "VCPU", value = tostring(var.job_vcpus) },
        { type = "MEMORY", value = tostring(var.job_memory) },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = module.shared.log_group_name
          awslogs-region        = module.shared.region
          awslogs-stream-prefix = "job"
        }
      }
    },
    local.fargate ? {
      fargatePlatformConfiguration = { platformVersion = "LATEST" }
      networkConfiguration         = { assignPublicIp = var.assign_public_ip ? "ENABLED" : "DISABLED" }
    } : {},
  ))

  retry_strategy {
    attempts = var.attempts

    dynamic "evaluate_on_exit" {
      for_each = local.retry
      content {
        action           = evaluate_on_exit.value.action
        on_reason        = lookup(evaluate_on_exit.value, "on_reason", null)
        on_status_reason = lookup(evaluate_on_exit.value, "on_status_reason", null)
        on_exit_code     = lookup(evaluate_on_exit.value, "on_exit_code", null)
      }
    }
  }

  timeout {
    attempt_duration_seconds = var.timeout_seconds
  }
}

# A job that Batch gave up: what leaves no line in the log is seen here.
resource "aws_cloudwatch_event_rule" "failed" {
  name        = "${var.name}-failed"
  description = "A csvkafka job failed for good"
  event_pattern = jsonencode({
    source      = ["aws.batch"]
    detail-type = ["Batch Job State Change"]
    detail = {
      status   = ["FAILED"]
      jobQueue = [aws_batch_job_queue.job.arn]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = module.shared.alarm_topic_arn
}
