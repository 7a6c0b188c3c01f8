# What happens by itself: the alarm for a task that ended badly, and three ways to a task that nobody
# starts by hand: AWS ended it, it is time for it, its object is new. All three go by starter.tf.

locals {
  resumes  = var.resume_interrupted ? 1 : 0
  schedule = var.schedule == "" ? 0 : 1
  arrivals = var.new_objects == "" ? 0 : 1
  starts   = local.resumes + local.schedule + local.arrivals > 0 ? 1 : 0
}

# An exit code that is neither 0 nor that of a stop. What leaves no line in the log is seen here: no
# memory, an image that cannot be pulled.
resource "aws_cloudwatch_event_rule" "failed" {
  name        = "${var.name}-failed"
  description = "A csvkafka task ended badly"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [aws_ecs_cluster.job.arn]
      lastStatus = ["STOPPED"]
      "$or" = [
        { containers = { exitCode = [{ "anything-but" = [0, 130, 143] }] } },
        { stopCode = ["TaskFailedToStart"] },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = module.shared.alarm_topic_arn
}

# A task alone has nobody who starts it again (a service would also start completed ones for ever). So
# its end by AWS, or for want of capacity, starts a new one with the same overrides: the same job.
resource "aws_cloudwatch_event_rule" "interrupted" {
  count = local.resumes

  name        = "${var.name}-interrupted"
  description = "AWS ended a csvkafka task"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [aws_ecs_cluster.job.arn]
      lastStatus = ["STOPPED"]
      "$or" = [
        { stopCode = ["SpotInterruption", "TerminationNotice"] },
        { stopCode = ["TaskFailedToStart"], stoppedReason = [{ prefix = "Capacity is unavailable" }] },
      ]
    }
  })
}

# S3 tells EventBridge of new objects if the bucket's owner has turned that on: see docs/deploy.md.
resource "aws_cloudwatch_event_rule" "new_object" {
  count = local.arrivals

  name        = "${var.name}-new-object"
  description = "An object for csvkafka has come"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [module.shared.job.s3_bucket] }
      object = { key = [{ wildcard = "${module.shared.job.s3_prefix}${var.new_objects}" }] }
    }
  })
}

# What the starter gets of an event. (The rules' names are not asked for which there are: `terraform
# import` knows none before they are made.)
locals {
  starting_events = merge(
    local.resumes == 0 ? {} : {
      interrupted = {
        paths = {
          overrides = "$.detail.overrides.containerOverrides"
          stop_code = "$.detail.stopCode"
        }
        template = "{\"overrides\": <overrides>, \"stop_code\": <stop_code>}"
      }
    },
    local.arrivals == 0 ? {} : {
      new-object = {
        paths    = { key = "$.detail.object.key" }
        template = "{\"key\": <key>}"
      }
    },
  )
  # EventBridge and the scheduler try for a day; what is left over is in the queue.
  tried = { seconds = 86400, attempts = 185 }
}

resource "aws_cloudwatch_event_target" "start" {
  for_each = local.starting_events

  rule     = "${var.name}-${each.key}"
  arn      = aws_sfn_state_machine.starter[0].arn
  role_arn = aws_iam_role.starter[0].arn

  input_transformer {
    input_paths    = each.value.paths
    input_template = each.value.template
  }

  retry_policy {
    maximum_event_age_in_seconds = local.tried.seconds
    maximum_retry_attempts       = local.tried.attempts
  }

  dead_letter_config {
    arn = aws_sqs_queue.not_started[0].arn
  }

  depends_on = [aws_cloudwatch_event_rule.interrupted, aws_cloudwatch_event_rule.new_object]
}

resource "aws_scheduler_schedule" "job" {
  # checkov:skip=CKV_AWS_297: AWS encrypts it with a key of its own; it holds a time and no secret.
  count = local.schedule

  name                         = var.name
  description                  = "Runs the csvkafka job"
  schedule_expression          = var.schedule
  schedule_expression_timezone = var.schedule_timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sfn_state_machine.starter[0].arn
    role_arn = aws_iam_role.starter[0].arn
    input    = jsonencode({ time = "<aws.scheduler.scheduled-time>" })

    retry_policy {
      maximum_event_age_in_seconds = local.tried.seconds
      maximum_retry_attempts       = local.tried.attempts
    }

    dead_letter_config {
      arn = aws_sqs_queue.not_started[0].arn
    }
  }

  lifecycle {
    # A completed job that runs again does nothing: every night but the first would load nothing.
    precondition {
      condition     = startswith(var.schedule, "at(") || can(regex("\\{(date|year|month|day|hour)\\}", var.schedule_key))
      error_message = "schedule loads the same key each time, and so nothing after the first: set schedule_key, e.g. \"exports/{date}/data.csv\", or new_objects in place of the schedule."
    }
    precondition {
      condition     = var.schedule_key == "" || startswith(var.schedule_key, module.shared.job.s3_prefix)
      error_message = "schedule_key must begin with job.s3_prefix: the job may read nothing else."
    }
    precondition {
      condition     = "${var.schedule_key}${module.shared.job.s3_key}" != ""
      error_message = "schedule needs schedule_key, or job.s3_key if it runs once."
    }
  }
}
