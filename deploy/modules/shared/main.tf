# What the three options have in common: the checkpoint table, the image's registry, the job's role,
# its network, its log group, and the alarms.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = var.region
  dns_suffix = data.aws_partition.current.dns_suffix
}

module "job" {
  source = "../job"

  job        = var.job
  attributes = keys(var.job)
  table_name = var.table_name
  region     = local.region
  account_id = local.account_id
  partition  = local.partition
  dns_suffix = local.dns_suffix
}
