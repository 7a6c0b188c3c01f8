# What is the same in all three options; each has a link to this file, so that a setting is written
# once. What differs stands beside the link: `name`, `log_group_name`, and the locals that are read
# here (option, task_services, secret_reader).

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

locals {
  tags = merge({ Project = "csv-to-kafka", ManagedBy = "terraform", Option = local.option }, var.tags)
}

variable "region" {
  description = "Region of the job, the table and the brokers."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-west-1."
  }
}

variable "vpc_id" {
  description = "The VPC that the brokers can be reached from."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the job, private ones with a way to S3, DynamoDB, ECR and CloudWatch (NAT or endpoints)."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must name at least one subnet, e.g. subnet-0123456789abcdef0."
  }
}

variable "job" {
  description = "What is loaded where: see the attributes below."
  # Described, checked and given its defaults in modules/job/variables.tf alone.
  type = any
}

variable "broker_security_group_id" {
  description = "Security group of the brokers: the job is let in there, at the ports of `kafka_bootstrap_servers`. Empty: you do it."
  type        = string
  default     = ""
}

variable "assign_public_ip" {
  description = "true only for public subnets without NAT."
  type        = bool
  default     = false
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64. `deploy.sh` builds the image for it."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture must be X86_64 or ARM64."
  }
}

variable "kafka_secret_kms_key_arn" {
  description = "Key that encrypts the secret, if it is one of your own (MSK's SCRAM secrets have one)."
  type        = string
  default     = ""
}

variable "table_name" {
  description = "Checkpoint table."
  type        = string
  default     = "csv-kafka-checkpoint"
}

variable "create_table" {
  description = "false: the table is there already, made by another option or by hand."
  type        = bool
  default     = true
}

variable "table_deletion_protection" {
  description = "Whether AWS refuses to delete the table; `destroy.sh --delete-table` turns it off."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that the log is kept."
  type        = number
  default     = 30
}

variable "alarm_email" {
  description = "Address that gets the alarms (AWS asks it to confirm); empty: alarms in CloudWatch alone."
  type        = string
  default     = ""
}

variable "no_progress_minutes" {
  description = "Alarm if a job lives but no row was stored for so long: 5, 10, …, 1440."
  type        = number
  default     = 15
}

variable "tags" {
  description = "More tags for all resources, e.g. a cost centre."
  type        = map(string)
  default     = {}
}

variable "image_tag" {
  description = "Tag of the job's image; `deploy.sh` gives it."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a tag of an image, and not latest: tags are never moved here."
  }
}

module "shared" {
  source = "../modules/shared"

  name                      = var.name
  job                       = var.job
  kafka_secret_kms_key_arn  = var.kafka_secret_kms_key_arn
  broker_security_group_id  = var.broker_security_group_id
  task_services             = local.task_services
  secret_reader             = local.secret_reader
  region                    = var.region
  vpc_id                    = var.vpc_id
  table_name                = var.table_name
  create_table              = var.create_table
  table_deletion_protection = var.table_deletion_protection
  log_group_name            = var.log_group_name
  log_retention_days        = var.log_retention_days
  alarm_email               = var.alarm_email
  no_progress_minutes       = var.no_progress_minutes
}

output "region" {
  description = "The region."
  value       = var.region
}

output "name" {
  description = "Begins the name of everything made here, but the table's."
  value       = var.name
}

output "repository_url" {
  description = "Where deploy.sh pushes the image."
  value       = module.shared.repository_url
}

output "log_group_name" {
  description = "The job's log: aws logs tail NAME --follow."
  value       = module.shared.log_group_name
}

output "table_name" {
  description = "Checkpoint table."
  value       = module.shared.table_name
}

output "security_group_id" {
  description = "The job's security group: let it in at the brokers."
  value       = module.shared.security_group_id
}

output "subnet_ids" {
  description = "Subnets, tried in this order."
  value       = join(" ", var.subnet_ids)
}

output "bucket" {
  description = "Bucket of the CSV objects."
  value       = module.shared.job.s3_bucket
}

output "prefix" {
  description = "Keys that the job may read begin with this."
  value       = module.shared.job.s3_prefix
}

output "s3_key" {
  description = "Key of the CSV object, where terraform.tfvars names one."
  value       = module.shared.job.s3_key
}

output "job_id" {
  description = "Name of the job of that object."
  value       = module.shared.job.job_id
}

output "broker_security_group_id" {
  description = "Security group of the brokers, if terraform lets the job in there."
  value       = var.broker_security_group_id
}
