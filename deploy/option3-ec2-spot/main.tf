module "shared" {
  source = "../modules/shared"

  name                      = var.name
  job                       = var.job
  kafka_secret_kms_key_arn  = var.kafka_secret_kms_key_arn
  task_services             = ["ec2.amazonaws.com"]
  vpc_id                    = var.vpc_id
  secret_reader             = "instance"
  table_name                = var.table_name
  create_table              = var.create_table
  table_deletion_protection = var.table_deletion_protection
  log_group_name            = "/ec2/csv-to-kafka"
  log_retention_days        = var.log_retention_days
  alarm_email               = var.alarm_email
  no_progress_minutes       = var.no_progress_minutes
}

locals {
  # What run-job.sh reads: the loader's own environment, for `docker run --env-file`, …
  job_env = join("\n", [for name, value in module.shared.environment : "${name}=${value}"])

  # … and what the instance needs to run it.
  host_env = join("\n", [for name, value in {
    IMAGE      = "${module.shared.repository_url}:${var.image_tag}"
    REGION     = module.shared.region
    SECRET_ARN = length(module.shared.secrets) > 0 ? var.job.kafka_secret_arn : ""
  } : "${name}='${value}'"])

  user_data = templatefile("${path.module}/user-data.yaml.tftpl", {
    job_env  = base64encode("${local.job_env}\n")
    host_env = base64encode("${local.host_env}\n")
    run_job  = base64gzip(file("${path.module}/run-job.sh"))
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

data "aws_iam_policy_document" "instance" {
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

# A shell on a failed instance without a key or an open port.
resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = module.shared.task_role_name
  policy_arn = "arn:${module.shared.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "job" {
  name = var.name
  role = module.shared.task_role_name
}

resource "aws_launch_template" "job" {
  # checkov:skip=CKV_AWS_341: See http_put_response_hop_limit below.
  name                                 = var.name
  description                          = "One csvkafka job on a Spot instance"
  image_id                             = var.image_id
  instance_type                        = var.instance_type
  instance_initiated_shutdown_behavior = "terminate"
  update_default_version               = true
  user_data                            = base64encode(local.user_data)

  iam_instance_profile {
    arn = aws_iam_instance_profile.job.arn
  }

  # launch-spot.sh chooses the subnet; whether the instance has a public address is the subnet's say.
  vpc_security_group_ids = [module.shared.security_group_id]

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
    for_each = ["instance", "volume", "network-interface"]
    content {
      resource_type = tag_specifications.value
      tags          = merge({ Project = "csv-to-kafka", Option = "ec2-spot" }, var.tags, { Name = var.name })
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
