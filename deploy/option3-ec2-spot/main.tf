# Read by common.tf.
locals {
  option        = "ec2-spot"
  task_services = ["ec2.amazonaws.com"]
  secret_reader = "instance"
}

locals {
  arm           = var.cpu_architecture == "ARM64"
  instance_type = var.instance_type != "" ? var.instance_type : local.arm ? "c7g.large" : "c6i.large"
  image_id = var.image_id != "" ? var.image_id : join("", [
    "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-", local.arm ? "arm64" : "x86_64"
  ])

  # What run-job.sh reads: the loader's own environment, for `docker run --env-file`, …
  job_env = join("\n", [for name, value in module.shared.environment : "${name}=${value}"])

  # … and what the instance needs to run it.
  host_env = join("\n", [for name, value in {
    IMAGE      = "${module.shared.repository_url}:${var.image_tag}"
    REGION     = module.shared.region
    NAME       = var.name
    LOG_GROUP  = module.shared.log_group_name
    SECRET_ARN = length(module.shared.secrets) > 0 ? module.shared.job.kafka_secret_arn : ""
  } : "${name}='${value}'"])

  user_data = templatefile("${path.module}/user-data.yaml.tftpl", {
    job_env  = base64encode("${local.job_env}\n")
    host_env = base64encode("${local.host_env}\n")
    run_job  = base64gzip(file("${path.module}/run-job.sh"))
    watchdog = base64gzip(file("${path.module}/watchdog.sh"))
    unit     = base64encode(file("${path.module}/csv-to-kafka.service"))
    agent = base64encode(jsonencode({
      logs = { logs_collected = { files = { collect_list = [{
        file_path       = "/var/log/csv-processor.log"
        log_group_name  = module.shared.log_group_name
        log_stream_name = "{instance_id}"
      }] } } }
    }))
  })
}

# A shell on a failed instance without a key or an open port. AWS's own policy for it lets the job
# read every parameter of the account too.
data "aws_iam_policy_document" "session_manager" {
  # checkov:skip=CKV_AWS_111: An instance's own shell: AWS's policy names these actions on all, and they write no data.
  # checkov:skip=CKV_AWS_356: The channels of ssmmessages know no resource.
  statement {
    sid = "SessionManager"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "instance" {
  source_policy_documents = [data.aws_iam_policy_document.session_manager.json]

  # A persistent request outlives the instance: when the job is done, the instance ends its own.
  statement {
    sid       = "EndOwnSpotRequest"
    actions   = ["ec2:CancelSpotInstanceRequests"]
    resources = ["arn:${module.shared.partition}:ec2:${module.shared.region}:${module.shared.account_id}:spot-instances-request/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Name"
      values   = [var.name]
    }
  }

  # Which request is its own; this action knows no resource.
  statement {
    sid       = "FindOwnSpotRequest"
    actions   = ["ec2:DescribeInstances"]
    resources = ["*"]
  }

  # "failed", for launch-spot.sh.
  statement {
    sid       = "TellItsState"
    actions   = ["ec2:CreateTags"]
    resources = ["arn:${module.shared.partition}:ec2:${module.shared.region}:${module.shared.account_id}:instance/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Name"
      values   = [var.name]
    }
  }

  statement {
    sid       = "TellProgress"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["csvkafka/${var.name}"]
    }
  }

  statement {
    sid       = "RemoveAlarmOfTheJob"
    actions   = ["cloudwatch:DeleteAlarms"]
    resources = ["arn:${module.shared.partition}:cloudwatch:${module.shared.region}:${module.shared.account_id}:alarm:${var.name}-job-*"]
  }

  # The CloudWatch agent looks whether its stream is there.
  statement {
    sid       = "AgentLogStreams"
    actions   = ["logs:DescribeLogStreams"]
    resources = ["arn:${module.shared.partition}:logs:${module.shared.region}:${module.shared.account_id}:log-group:${module.shared.log_group_name}:*"]
  }
}

resource "aws_iam_role_policy" "instance" {
  name   = "instance"
  role   = module.shared.task_role_name
  policy = data.aws_iam_policy_document.instance.json
}

resource "aws_iam_instance_profile" "job" {
  name = var.name
  role = module.shared.task_role_name
}

resource "aws_launch_template" "job" {
  # checkov:skip=CKV_AWS_341: See http_put_response_hop_limit below.
  name                                 = var.name
  description                          = "One csvkafka job on a Spot instance"
  image_id                             = local.image_id
  instance_type                        = local.instance_type
  instance_initiated_shutdown_behavior = "terminate"
  update_default_version               = true
  user_data                            = base64encode(local.user_data)

  iam_instance_profile {
    arn = aws_iam_instance_profile.job.arn
  }

  # Its network interface is launch-spot.sh's: only with it can a public address be declined.

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # Two hops: the job runs in a container, and its credentials come from here.
    http_put_response_hop_limit = 2
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = var.root_volume_gib
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = ["volume", "network-interface"]
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = var.name })
    }
  }
}

# EC2 says it two minutes ahead; run-job.sh sees it on the instance. Here it is for the operator.
resource "aws_cloudwatch_event_rule" "interrupted" {
  name        = "${var.name}-interrupted"
  description = "EC2 takes a Spot instance back"
  event_pattern = jsonencode({
    source      = ["aws.ec2"]
    detail-type = ["EC2 Spot Instance Interruption Warning"]
  })
}

resource "aws_cloudwatch_event_target" "interrupted" {
  rule = aws_cloudwatch_event_rule.interrupted.name
  arn  = module.shared.alarm_topic_arn
}
