# Starts a task and does not give up: on Fargate Spot, else on Fargate, again for an hour. Step
# Functions does it, since RunTask without capacity is an answer that nobody else would look at.

locals {
  hour_milliseconds = 3600 * 1000
  dates = {
    "{date}"  = "[Y0001]-[M01]-[D01]"
    "{year}"  = "[Y0001]"
    "{month}" = "[M01]"
    "{day}"   = "[D01]"
    "{hour}"  = "[H01]"
  }
  moment = "$toMillis($states.input.time) + ${var.schedule_key_hours * local.hour_milliseconds}"
  # "exports/{date}/a.csv" -> "exports/" & $fromMillis(…) & "/a.csv", in JSONata.
  key_parts = [
    for part in regexall("\\{(?:date|year|month|day|hour)\\}|[^{]+|\\{", var.schedule_key) :
    contains(keys(local.dates), part) ? "$fromMillis(${local.moment}, '${local.dates[part]}')" : jsonencode(part)
  ]
  scheduled_key = var.schedule_key == "" ? jsonencode(module.shared.job.s3_key) : join(" & ", local.key_parts)
  scheduled_job = var.schedule_key == "" ? jsonencode(module.shared.job.job_id) : "$key"

  # An ended task gives its own overrides; a new object its key; the schedule its time.
  overrides = join(" ", [
    "{% (",
    "$key := $exists($states.input.key) ? $states.input.key : $exists($states.input.time) ? ${local.scheduled_key};",
    "$job := $exists($states.input.key) ? $states.input.key : ${local.scheduled_job};",
    # A key of the schedule that ends in a slash is a set.
    "$set := $not($exists($states.input.key)) and $substring($key, -1) = '/';",
    "$source := $set ? 'S3_PREFIX' : 'S3_KEY';",
    # What the task definition says of terraform.tfvars' own key must not stand beside it.
    "$other := ${module.shared.job.s3_key == "" ? "$source" : "'${module.shared.source}'"};",
    "{'ContainerOverrides': $exists($states.input.overrides)",
    "? [$states.input.overrides.{'Name': name, 'Command': command, 'Environment': [environment.{'Name': name, 'Value': value}]}]",
    ": [{'Name': '${local.container}', 'Environment': $append(",
    "[{'Name': $source, 'Value': $key}, {'Name': 'JOB_ID', 'Value': $job}],",
    "$other = $source ? [] : [{'Name': $other, 'Value': ''}])}]}",
    ") %}",
  ])

  run_task = {
    for provider in ["FARGATE_SPOT", "FARGATE"] : provider => {
      Cluster                  = aws_ecs_cluster.job.arn
      TaskDefinition           = aws_ecs_task_definition.job.family
      PropagateTags            = "TASK_DEFINITION"
      CapacityProviderStrategy = [{ CapacityProvider = provider, Weight = 1 }]
      NetworkConfiguration = {
        AwsvpcConfiguration = {
          Subnets        = var.subnet_ids
          SecurityGroups = [module.shared.security_group_id]
          AssignPublicIp = var.assign_public_ip ? "ENABLED" : "DISABLED"
        }
      }
      Overrides = "{% $overrides %}"
    }
  }

  starter = {
    Comment       = "Starts a csvkafka task: on Spot, else on Fargate"
    QueryLanguage = "JSONata"
    StartAt       = "Prepare"
    States = {
      Prepare = {
        Type   = "Pass"
        Assign = { overrides = local.overrides, tries = 0 }
        Next   = "Where"
      }
      Where = {
        Type = "Choice"
        Choices = [{
          Condition = "{% ${var.fargate_spot} and $not($states.input.stop_code = 'TaskFailedToStart') %}"
          Next      = "OnSpot"
        }]
        Default = "OnFargate"
      }
      OnSpot = {
        Type      = "Task"
        Resource  = "arn:${module.shared.partition}:states:::ecs:runTask"
        Arguments = local.run_task["FARGATE_SPOT"]
        Retry     = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 10, MaxAttempts = 2, BackoffRate = 2 }]
        Catch     = [{ ErrorEquals = ["States.ALL"], Next = "OnFargate" }]
        Next      = "StartedOnSpot"
      }
      # RunTask without capacity is a success with failures in it.
      StartedOnSpot = {
        Type    = "Choice"
        Choices = [{ Condition = "{% $count($states.input.Failures) = 0 %}", Next = "Started" }]
        Default = "OnFargate"
      }
      OnFargate = {
        Type      = "Task"
        Resource  = "arn:${module.shared.partition}:states:::ecs:runTask"
        Arguments = local.run_task["FARGATE"]
        Assign    = { tries = "{% $tries + 1 %}" }
        Retry = [{
          ErrorEquals     = ["States.ALL"]
          IntervalSeconds = 30
          MaxAttempts     = 8
          BackoffRate     = 2
          MaxDelaySeconds = 600
        }]
        Next = "StartedOnFargate"
      }
      StartedOnFargate = {
        Type = "Choice"
        Choices = [
          { Condition = "{% $count($states.input.Failures) = 0 %}", Next = "Started" },
          { Condition = "{% $tries < 12 %}", Next = "Later" },
        ]
        Default = "NotStarted"
      }
      Later      = { Type = "Wait", Seconds = 300, Next = "OnFargate" }
      Started    = { Type = "Succeed" }
      NotStarted = { Type = "Fail", Error = "NoCapacity", Cause = "ECS started no task within an hour" }
    }
  }
}

resource "aws_sfn_state_machine" "starter" {
  # checkov:skip=CKV_AWS_284: What it does is in its executions and in ECS; there is nothing to trace.
  # checkov:skip=CKV_AWS_285: Its executions are kept for 90 days, each with its history.
  count = local.starts

  name       = "${var.name}-starter"
  role_arn   = aws_iam_role.run_task[0].arn
  definition = jsonencode(local.starter)
}

resource "aws_cloudwatch_metric_alarm" "not_started" {
  for_each = merge(
    local.starts == 0 ? {} : {
      not-started-execution = {
        text       = "A csvkafka task was not started: see the executions of ${var.name}-starter, then run the same command again."
        namespace  = "AWS/States"
        metric     = "ExecutionsFailed"
        statistic  = "Sum"
        dimensions = { StateMachineArn = aws_sfn_state_machine.starter[0].arn }
      }
      not-started-delivery = {
        text       = "An event that starts a csvkafka task was not delivered: it is in the queue ${var.name}-not-started."
        namespace  = "AWS/SQS"
        metric     = "ApproximateNumberOfMessagesVisible"
        statistic  = "Maximum"
        dimensions = { QueueName = "${var.name}-not-started" }
      }
    },
    {
      for event in keys(local.starting_events) : "${event}-not-invoked" => {
        text       = "EventBridge could not start a csvkafka task; it tries for a day."
        namespace  = "AWS/Events"
        metric     = "FailedInvocations"
        statistic  = "Sum"
        dimensions = { RuleName = "${var.name}-${event}" }
      }
    },
  )

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.shared.alarm_topic_arn]
}

# What neither EventBridge nor the scheduler could hand over in a day; the alarm says so.
resource "aws_sqs_queue" "not_started" {
  count = local.starts

  name                      = "${var.name}-not-started"
  message_retention_seconds = 14 * 86400
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "not_started" {
  count = local.starts

  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.not_started[0].arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    # By the rule, as EventBridge's documentation has it for such queues.
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${module.shared.partition}:events:${module.shared.region}:${module.shared.account_id}:rule/${var.name}-*"]
    }
  }
}

resource "aws_sqs_queue_policy" "not_started" {
  count = local.starts

  queue_url = aws_sqs_queue.not_started[0].url
  policy    = data.aws_iam_policy_document.not_started[0].json
}

data "aws_iam_policy_document" "assume" {
  for_each = {
    starter  = ["events.amazonaws.com", "scheduler.amazonaws.com"]
    run_task = ["states.amazonaws.com"]
  }

  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = each.value
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [module.shared.account_id]
    }
  }
}

resource "aws_iam_role" "starter" {
  count = local.starts

  name               = "${var.name}-starter"
  description        = "Hands over to Step Functions what starts a csvkafka task"
  assume_role_policy = data.aws_iam_policy_document.assume["starter"].json
}

data "aws_iam_policy_document" "starter" {
  count = local.starts

  statement {
    sid       = "Start"
    actions   = ["states:StartExecution"]
    resources = [aws_sfn_state_machine.starter[0].arn]
  }

  statement {
    sid       = "KeepWhatWasNotStarted"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.not_started[0].arn]
  }
}

resource "aws_iam_role_policy" "starter" {
  count = local.starts

  name   = "start"
  role   = aws_iam_role.starter[0].id
  policy = data.aws_iam_policy_document.starter[0].json
}

resource "aws_iam_role" "run_task" {
  count = local.starts

  name               = "${var.name}-run-task"
  description        = "Runs the csvkafka task, for Step Functions"
  assume_role_policy = data.aws_iam_policy_document.assume["run_task"].json
}

data "aws_iam_policy_document" "run_task" {
  statement {
    sid       = "RunTask"
    actions   = ["ecs:RunTask"]
    resources = ["${aws_ecs_task_definition.job.arn_without_revision}:*", aws_ecs_task_definition.job.arn_without_revision]
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

resource "aws_iam_role_policy" "run_task" {
  count = local.starts

  name   = "run-task"
  role   = aws_iam_role.run_task[0].id
  policy = data.aws_iam_policy_document.run_task.json
}
