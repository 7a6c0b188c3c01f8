variable "region" {
  description = "Region of the job, the table and the brokers."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-west-1."
  }
}

variable "name" {
  description = "Begins the name of everything made here, but the table's."
  type        = string
  default     = "csv-to-kafka-spot"
}

variable "tags" {
  description = "More tags for all resources, e.g. a cost centre."
  type        = map(string)
  default     = {}
}

variable "image_tag" {
  description = "Tag of the job's image; deploy.sh computes it from the sources."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a tag of an image, and not latest: tags are never moved here."
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
  description = "What is loaded where; each attribute is described in deploy/modules/shared/variables.tf."
  type = object({
    s3_bucket               = string
    s3_prefix               = optional(string, "")
    s3_kms_key_arn          = optional(string, "")
    s3_key                  = optional(string, "")
    job_id                  = optional(string, "csv-job-1")
    kafka_bootstrap_servers = string
    kafka_topic             = string
    dead_letter_topic       = optional(string, "")
    kafka_authentication    = optional(string, "iam")
    kafka_secret_arn        = optional(string, "")
    msk_cluster_arn         = optional(string, "")
    msk_full_access         = optional(bool, false)
    settings                = optional(map(string), {})
  })
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
  description = "Whether AWS refuses to delete the table; destroy.sh --delete-table turns it off."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that the log is kept."
  type        = number
  default     = 30
}

variable "alarm_email" {
  description = "Address that gets the alarms; empty: alarms in CloudWatch alone."
  type        = string
  default     = ""
}

variable "no_progress_minutes" {
  description = "Alarm if a job lives but no row was stored for so long."
  type        = number
  default     = 15
}

variable "instance_type" {
  description = "Type of the instance; launch-spot.sh --instance-type says another for one run."
  type        = string
  default     = "c6i.large"
}

variable "image_id" {
  description = "Amazon Linux 2023: its newest AMI, or one of your own made from it (with docker, aws, python3)."
  type        = string
  default     = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"

  validation {
    condition     = can(regex("^(ami-[0-9a-f]+|resolve:ssm:/.+)$", var.image_id))
    error_message = "image_id must be ami-... or resolve:ssm:/..."
  }
}

variable "max_price" {
  description = "Most dollars per hour; empty: the on-demand price."
  type        = string
  default     = ""
}

variable "root_volume_gib" {
  description = "Disk of the instance; the file is never on it."
  type        = number
  default     = 16

  validation {
    condition     = var.root_volume_gib >= 8
    error_message = "root_volume_gib must be at least 8."
  }
}
