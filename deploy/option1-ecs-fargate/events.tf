# What happens by itself: the alarm for a task that ended badly, the second life of one that AWS
# ended, and the schedule.

locals {
  starts_by_itself       = var.resume_interrupted || var.schedule != ""
  task_arn_all_revisions = "${aws_ecs_task_definition.job.arn_without_revision}:*"
  network = {
    subnets          = var.subnet_ids
    security_groups  = [module.shared.security_group_id]
    assign_public_ip = var.assign_public_ip
  }
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
# its end by AWS starts a new one with the same overrides: the same file, the same job.
resource "aws_cloudwatch_event_rule" "interrupted" {
  count = var.resume_interrupted ? 1 : 0

  name        = "${var.name}-interrupted"
  description = "AWS ended a csvkafka task"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [aws_ecs_cluster.job.arn]
      lastStatus = ["STOPPED"]
      stopCode   = ["SpotInterruption", "TerminationNotice"]
    }
  })
}

resource "aws_cloudwatch_event_target" "resume" {
  count = var.resume_interrupted ? 1 : 0

  rule     = aws_cloudwatch_event_rule.interrupted[0].name
  arn      = aws_ecs_cluster.job.arn
  role_arn = aws_iam_role.starter[0].arn

  ecs_target {
    task_definition_arn = aws_ecs_task_definition.job.arn
    task_count          = 1
    propagate_tags      = "TASK_DEFINITION"

    capacity_provider_strategy {
      capacity_provider = local.provider
      weight            = 1
    }

    network_configuration {
      subnets          = local.network.subnets
      security_groups  = local.network.security_groups
      assign_public_ip = local.network.assign_public_ip
    }
  }

  input_transformer {
    input_paths    = { containers = "$.detail.overrides.containerOverrides" }
    input_template = "{\"containerOverrides\": <containers>}"
  }

}

resource "aws_scheduler_schedule" "job" {
  # checkov:skip=CKV_AWS_297: AWS encrypts it with a key of its own; it holds a time and no secret.
  count = var.schedule == "" ? 0 : 1

  name                         = var.name
  description                  = "Runs the csvkafka job"
  schedule_expression          = var.schedule
  schedule_expression_timezone = var.schedule_timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_ecs_cluster.job.arn
    role_arn = aws_iam_role.starter[0].arn

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.job.arn
      task_count          = 1

      capacity_provider_strategy {
        capacity_provider = local.provider
        weight            = 1
      }

      network_configuration {
        subnets          = local.network.subnets
        security_groups  = local.network.security_groups
        assign_public_ip = local.network.assign_public_ip
      }
    }
  }
}

data "aws_iam_policy_document" "assume_starter" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com", "scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [module.shared.account_id]
    }
  }
}

resource "aws_iam_role" "starter" {
  count = local.starts_by_itself ? 1 : 0

  name               = "${var.name}-starter"
  description        = "Starts the csvkafka task: schedule and resume"
  assume_role_policy = data.aws_iam_policy_document.assume_starter.json
}

data "aws_iam_policy_document" "starter" {
  statement {
    sid       = "RunTask"
    actions   = ["ecs:RunTask"]
    resources = [local.task_arn_all_revisions]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.job.arn]
    }
  }

  statement {
    sid       = "TagTask"
    actions   = ["ecs:TagResource"]
    resources = ["arn:${module.shared.partition}:ecs:${module.shared.region}:${module.shared.account_id}:task/${var.name}/*"]
    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "GiveRoles"
    actions   = ["iam:PassRole"]
    resources = [module.shared.task_role_arn, module.shared.execution_role_arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "starter" {
  count = local.starts_by_itself ? 1 : 0

  name   = "start-task"
  role   = aws_iam_role.starter[0].id
  policy = data.aws_iam_policy_document.starter.json
}
