# What only EC2 Spot needs: the instances' role and template. Fargate has neither.

data "aws_iam_policy_document" "assume_instance" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "instance" {
  count = local.fargate ? 0 : 1

  name               = "${var.name}-instance"
  description        = "Instances of AWS Batch"
  assume_role_policy = data.aws_iam_policy_document.assume_instance.json
}

# AWS's own policy for the ECS agent: what it holds follows the agent.
resource "aws_iam_role_policy_attachment" "instance" {
  count = local.fargate ? 0 : 1

  role       = aws_iam_role.instance[0].name
  policy_arn = "arn:${module.shared.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "instance" {
  count = local.fargate ? 0 : 1

  name = "${var.name}-instance"
  role = aws_iam_role.instance[0].name
}

resource "aws_launch_template" "instance" {
  count = local.fargate ? 0 : 1

  name        = "${var.name}-instance"
  description = "Instances of AWS Batch"

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = var.name })
    }
  }
}
