# Read by common.tf.
locals {
  option        = "aws-batch"
  task_services = ["ecs-tasks.amazonaws.com"]
  secret_reader = "ecs"
}

locals {
  fargate = startswith(var.compute, "FARGATE")
  image   = "${module.shared.repository_url}:${var.image_tag}"

  # A job is described by its parameters. Those of an array job are the same for all its children:
  # array_child.py finds each child's file in the manifest.
  parameters = {
    key      = module.shared.job.s3_key == "" ? "-" : module.shared.job.s3_key
    job_id   = module.shared.job.job_id
    manifest = "-"
  }

  # Batch takes five rules; the first that fits decides, and what fits none is tried again. So these
  # are what is not: all else may go well the next time. An instance that is gone, with or without an
  # exit code; an image or a network interface that did not come in time; 143, SIGTERM, with the
  # checkpoint stored; 137, SIGKILL, with nothing lost; 1, a manifest that could not be read.
  retry = [
    # More of the same memory would end in the same way.
    { action = "EXIT", on_reason = "OutOfMemory*" },
    # The loader says that it may succeed when it is just run again: a broker or a table is down.
    { action = "RETRY", on_exit_code = "75" },
    # A setting or a file to be repaired, or what a person must look at (docs/errors.md): it stays so
    # ten times. Submit again once the cause is gone: the job resumes.
    { action = "EXIT", on_exit_code = "6*" },
    { action = "EXIT", on_exit_code = "7*" },
    { action = "EXIT", on_exit_code = "8*" },
  ]

  arm = var.cpu_architecture == "ARM64"
  # An instance type's memory less what the system and ECS's agent take.
  job_memory = coalesce(var.job_memory, local.fargate ? 4096 : 3072)
  instance_types = length(var.instance_types) > 0 ? var.instance_types : (
    local.arm ? ["c7g.large", "c6g.large", "m7g.large", "m6g.large"] : ["c6i.large", "c6a.large", "c5.large", "m6i.large", "m5.large"]
  )

  # Where Spot has no capacity, the queue goes on to what has.
  compute = distinct([var.compute, local.fargate ? "FARGATE" : "EC2"])
}

resource "aws_batch_compute_environment" "job" {
  for_each = toset(local.compute)

  name_prefix  = "${var.name}-${lower(replace(each.value, "_", "-"))}-"
  type         = "MANAGED"
  state        = "ENABLED"
  service_role = var.service_role_arn == "" ? null : var.service_role_arn

  compute_resources {
    type               = each.value
    max_vcpus          = var.max_vcpus
    min_vcpus          = local.fargate ? null : 0
    subnets            = var.subnet_ids
    security_group_ids = [module.shared.security_group_id]

    allocation_strategy = local.fargate ? null : each.value == "SPOT" ? "SPOT_PRICE_CAPACITY_OPTIMIZED" : "BEST_FIT_PROGRESSIVE"
    instance_type       = local.fargate ? null : local.instance_types
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

  dynamic "compute_environment_order" {
    for_each = local.compute
    content {
      order               = compute_environment_order.key + 1
      compute_environment = aws_batch_compute_environment.job[compute_environment_order.value].arn
    }
  }

  # A job at the head of the queue that nothing can run: it fails, and that is alarmed. Submitted
  # again, it resumes.
  dynamic "job_state_time_limit_action" {
    for_each = toset([
      "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
      "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
      "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    ])
    content {
      action           = "CANCEL"
      max_time_seconds = var.runnable_minutes * 60
      reason           = job_state_time_limit_action.value
      state            = "RUNNABLE"
    }
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
      environment            = [for name, value in module.shared.environment : { name = name, value = value } if !contains(["S3_KEY", "S3_PREFIX", "JOB_ID"], name)]
      secrets                = [for name, arn in module.shared.secrets : { name = name, valueFrom = arn }]
      resourceRequirements = [
        { type = "VCPU", value = tostring(var.job_vcpus) },
        { type = "MEMORY", value = tostring(local.job_memory) },
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
      runtimePlatform              = { operatingSystemFamily = "LINUX", cpuArchitecture = var.cpu_architecture }
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

# A job that Batch gave up: what leaves no line in the log is seen here. Of an array its parent alone
# speaks: 10,000 children would send 10,000 mails.
resource "aws_cloudwatch_event_rule" "failed" {
  name        = "${var.name}-failed"
  description = "A csvkafka job failed for good"
  event_pattern = jsonencode({
    source      = ["aws.batch"]
    detail-type = ["Batch Job State Change"]
    detail = {
      status          = ["FAILED"]
      jobQueue        = [aws_batch_job_queue.job.arn]
      arrayProperties = { index = [{ exists = false }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = module.shared.alarm_topic_arn
}

# The first job in the queue waits for what does not come, and all others behind it.
resource "aws_cloudwatch_event_rule" "blocked" {
  name        = "${var.name}-blocked"
  description = "The queue of csvkafka's jobs is blocked"
  event_pattern = jsonencode({
    source      = ["aws.batch"]
    detail-type = ["Batch Job Queue Blocked"]
    resources   = [aws_batch_job_queue.job.arn]
  })
}

resource "aws_cloudwatch_event_target" "blocked" {
  rule = aws_cloudwatch_event_rule.blocked.name
  arn  = module.shared.alarm_topic_arn
}
