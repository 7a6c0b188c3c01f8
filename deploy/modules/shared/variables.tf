variable "name" {
  description = "Begins the name of everything made here, but the table's."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,31}$", var.name))
    error_message = "name must be 2 to 32 lower case letters, digits and hyphens, a letter first."
  }
}

variable "job" {
  description = "What is loaded where, and how the job identifies itself to Kafka (see modules/job)."
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

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.job.s3_bucket))
    error_message = "job.s3_bucket must be the name of a bucket, without s3://."
  }
  validation {
    condition     = startswith(var.job.s3_key, var.job.s3_prefix)
    error_message = "job.s3_key must begin with job.s3_prefix: the job may read nothing else."
  }
  validation {
    condition     = can(regex("^[^:,\\s]+:[0-9]+(,[^:,\\s]+:[0-9]+)*$", var.job.kafka_bootstrap_servers))
    error_message = "job.kafka_bootstrap_servers must be host:port,host:port."
  }
  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,249}$", var.job.kafka_topic))
    error_message = "job.kafka_topic must be the name of a topic."
  }
  validation {
    condition     = contains(["none", "tls", "iam", "scram", "plain"], var.job.kafka_authentication)
    error_message = "job.kafka_authentication must be none, tls, iam, scram or plain."
  }
  validation {
    condition     = var.job.kafka_authentication != "iam" || can(regex("^arn:aws[a-z-]*:kafka:[^:]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.job.msk_cluster_arn))
    error_message = "job.kafka_authentication \"iam\" needs job.msk_cluster_arn, the ARN of the cluster."
  }
  validation {
    condition     = !contains(["scram", "plain"], var.job.kafka_authentication) || startswith(var.job.kafka_secret_arn, "arn:")
    error_message = "job.kafka_authentication \"scram\" and \"plain\" need job.kafka_secret_arn, a secret with username and password."
  }
  validation {
    condition     = !anytrue([for name, value in var.job.settings : can(regex("PASSWORD|[\\r\\n]", "${name}${value}"))])
    error_message = "job.settings must hold no password (use job.kafka_secret_arn) and no line breaks."
  }
}

variable "kafka_secret_kms_key_arn" {
  description = "Key that encrypts the secret, if it is one of your own (MSK's SCRAM secrets have one)."
  type        = string
  default     = ""
}

variable "secret_reader" {
  description = "Who reads the secret: the role that starts the task (ecs), or the job's own (instance)."
  type        = string
  default     = "ecs"

  validation {
    condition     = contains(["ecs", "instance"], var.secret_reader)
    error_message = "secret_reader must be ecs or instance."
  }
}

variable "task_services" {
  description = "Services that may take the job's role, e.g. ecs-tasks.amazonaws.com."
  type        = list(string)
}

variable "vpc_id" {
  description = "The VPC that the brokers can be reached from."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must look like vpc-0123456789abcdef0."
  }
}

variable "table_name" {
  description = "Checkpoint table."
  type        = string
  default     = "csv-kafka-checkpoint"

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name must be 3 to 255 letters, digits, dots, hyphens and underscores."
  }
}

variable "create_table" {
  description = "false: the table is there already, made by another option or by hand."
  type        = bool
  default     = true
}

variable "table_deletion_protection" {
  description = "Whether AWS refuses to delete the table. Without the table, a job begins anew."
  type        = bool
  default     = true
}

variable "log_group_name" {
  description = "Log group of the job."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the log is kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, …, 731."
  }
}

variable "alarm_email" {
  description = "Address that gets the alarms (AWS asks it to confirm); empty: alarms in CloudWatch alone."
  type        = string
  default     = ""
}

variable "no_progress_minutes" {
  description = "Alarm if a job lives but no row was stored for so long."
  type        = number
  default     = 15

  validation {
    condition     = var.no_progress_minutes >= 5 && var.no_progress_minutes % 5 == 0 && var.no_progress_minutes <= 120
    error_message = "no_progress_minutes must be 5, 10, …, 120."
  }
}
