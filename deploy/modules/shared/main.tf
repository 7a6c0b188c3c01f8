# What the three options have in common: the checkpoint table, the image's registry, the job's role,
# its network, its log group, and the alarms.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.region
}

module "job" {
  source = "../job"

  s3_bucket               = var.job.s3_bucket
  s3_prefix               = var.job.s3_prefix
  s3_kms_key_arn          = var.job.s3_kms_key_arn
  s3_key                  = var.job.s3_key
  job_id                  = var.job.job_id
  kafka_bootstrap_servers = var.job.kafka_bootstrap_servers
  kafka_topic             = var.job.kafka_topic
  dead_letter_topic       = var.job.dead_letter_topic
  kafka_authentication    = var.job.kafka_authentication
  kafka_secret_arn        = var.job.kafka_secret_arn
  msk_cluster_arn         = var.job.msk_cluster_arn
  msk_full_access         = var.job.msk_full_access
  settings                = var.job.settings
  table_name              = var.table_name
  region                  = local.region
  account_id              = local.account_id
  partition               = local.partition
}
