# The job calls and is never called: no ingress. S3, DynamoDB, CloudWatch and the brokers have no
# addresses of their own that a rule could name, so egress is open, as documented.
resource "aws_security_group" "job" {
  # checkov:skip=CKV2_AWS_5: Tasks get it when they are started, instances by their launch template.
  name        = var.name
  description = "csvkafka jobs: egress only"
  vpc_id      = var.vpc_id
  tags        = { Name = var.name }
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.job.id
  description       = "S3, DynamoDB, CloudWatch, ECR and the brokers"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

locals {
  # Terraform owns the rule: the brokers' group would else refer to this one, and EC2 would not let it go.
  broker_ports = var.broker_security_group_id == "" ? [] : distinct([
    for server in split(",", module.job.job.kafka_bootstrap_servers) : split(":", server)[1]
  ])
}

resource "aws_vpc_security_group_ingress_rule" "brokers" {
  for_each = toset(local.broker_ports)

  security_group_id            = var.broker_security_group_id
  referenced_security_group_id = aws_security_group.job.id
  description                  = "csvkafka: ${var.name}"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
}
