# Two roles: the job's own (source, table, topic), and the one that ECS starts it with (image, log,
# secret). An EC2 instance has only the first, with more on it (see option3-ec2-spot).
data "aws_iam_policy_document" "assume_task" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = var.task_services
    }
  }
}

resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  description        = "What a csvkafka job may do"
  assume_role_policy = data.aws_iam_policy_document.assume_task.json
}

resource "aws_iam_role_policy" "task" {
  name   = "job"
  role   = aws_iam_role.task.id
  policy = module.job.task_policy
}

locals {
  reads_secret = length(module.job.secrets) > 0
}

data "aws_iam_policy_document" "secret" {
  statement {
    sid       = "KafkaCredentials"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.reads_secret ? module.job.job.kafka_secret_arn : "arn:aws:secretsmanager:::secret:none"]
  }

  dynamic "statement" {
    for_each = var.kafka_secret_kms_key_arn == "" ? [] : [var.kafka_secret_kms_key_arn]
    content {
      sid       = "KafkaCredentialsKey"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.${local.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_role_policy" "secret" {
  count = local.reads_secret ? 1 : 0

  name   = "kafka-credentials"
  role   = var.secret_reader == "ecs" ? aws_iam_role.execution[0].id : aws_iam_role.task.id
  policy = data.aws_iam_policy_document.secret.json
}

data "aws_iam_policy_document" "assume_execution" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  count = var.secret_reader == "ecs" ? 1 : 0

  name               = "${var.name}-execution"
  description        = "Pulls the image of a csvkafka job and writes its log"
  assume_role_policy = data.aws_iam_policy_document.assume_execution.json
}

data "aws_iam_policy_document" "pull_and_log" {
  statement {
    sid = "PullImage"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
    ]
    resources = [aws_ecr_repository.job.arn]
  }

  # The token is the account's: this action knows no resource.
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.job.arn}:*"]
  }
}

resource "aws_iam_role_policy" "pull_and_log" {
  name   = "pull-and-log"
  role   = var.secret_reader == "ecs" ? aws_iam_role.execution[0].id : aws_iam_role.task.id
  policy = data.aws_iam_policy_document.pull_and_log.json
}
