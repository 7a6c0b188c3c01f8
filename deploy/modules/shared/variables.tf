# Defaults are in common.tf and in modules/job alone, as each value is handed over.

variable "name" {
  description = "Begins the name of everything made here, but the table's."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,31}$", var.name))
    error_message = "name must be 2 to 32 lower case letters, digits and hyphens, a letter first."
  }
}

variable "job" {
  description = "What is loaded where: see modules/job."
  type        = any
}

variable "region" {
  description = "The region."
  type        = string
}

variable "broker_security_group_id" {
  description = "Security group of the brokers, which lets the job in; empty: its owner does that."
  type        = string

  validation {
    condition     = can(regex("^(sg-[0-9a-f]+)?$", var.broker_security_group_id))
    error_message = "broker_security_group_id must look like sg-0123456789abcdef0."
  }
}

variable "kafka_secret_kms_key_arn" {
  description = "Key that encrypts the secret, if it is one of your own (MSK's SCRAM secrets have one)."
  type        = string
}

variable "secret_reader" {
  description = "Who reads the secret: the role that starts the task (ecs), or the job's own (instance)."
  type        = string

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

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name must be 3 to 255 letters, digits, dots, hyphens and underscores."
  }
}

variable "create_table" {
  description = "false: the table is there already, made by another option or by hand."
  type        = bool
}

variable "table_deletion_protection" {
  description = "Whether AWS refuses to delete the table. Without the table, a job begins anew."
  type        = bool
}

variable "log_group_name" {
  description = "Log group of the job."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the log is kept."
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, …, 731."
  }
}

variable "alarm_email" {
  description = "Address that gets the alarms (AWS asks it to confirm); empty: alarms in CloudWatch alone."
  type        = string
}

variable "no_progress_minutes" {
  description = "Alarm if a job lives but no row was stored for so long."
  type        = number

  validation {
    condition     = var.no_progress_minutes >= 5 && var.no_progress_minutes % 5 == 0 && var.no_progress_minutes <= 1440
    error_message = "no_progress_minutes must be 5, 10, …, 1440 (a day: CloudWatch looks back no further)."
  }
}
