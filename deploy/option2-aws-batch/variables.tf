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
  default     = "csv-to-kafka-batch"
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

variable "assign_public_ip" {
  description = "true only for public subnets without NAT (Fargate; on EC2 the subnet decides)."
  type        = bool
  default     = false
}

variable "compute" {
  description = "Where jobs run: FARGATE, FARGATE_SPOT, or EC2 SPOT as SPOT."
  type        = string
  default     = "FARGATE_SPOT"

  validation {
    condition     = contains(["FARGATE", "FARGATE_SPOT", "SPOT"], var.compute)
    error_message = "compute must be FARGATE, FARGATE_SPOT or SPOT."
  }
}

variable "instance_types" {
  description = "Instance types or families for SPOT. More of them, fewer interruptions."
  type        = list(string)
  default     = ["c6i.large", "c6a.large", "c5.large", "m6i.large", "m5.large"]
}

variable "max_vcpus" {
  description = "Most vCPUs at once, over all jobs."
  type        = number
  default     = 16

  validation {
    condition     = var.max_vcpus >= 1
    error_message = "max_vcpus must be at least 1."
  }
}

variable "job_vcpus" {
  description = "vCPUs of a job."
  type        = number
  default     = 2
}

variable "job_memory" {
  description = "Memory of a job in MiB; the loader needs less than 1024, whatever the file's size. An EC2 instance has some 300 less than its type says."
  type        = number
  default     = 4096
}

variable "attempts" {
  description = "How often a job may be started, the first time included."
  type        = number
  default     = 10

  validation {
    condition     = var.attempts >= 1 && var.attempts <= 10
    error_message = "attempts must be 1 to 10 (Batch allows no more)."
  }
}

variable "timeout_seconds" {
  description = "Longest life of one attempt. A job that Batch ends for it is not retried; submitted again, it resumes."
  type        = number
  default     = 43200

  validation {
    condition     = var.timeout_seconds >= 60
    error_message = "timeout_seconds must be at least 60."
  }
}

variable "service_role_arn" {
  description = "Role that Batch itself acts by; empty: AWSServiceRoleForBatch, which AWS keeps."
  type        = string
  default     = ""
}
