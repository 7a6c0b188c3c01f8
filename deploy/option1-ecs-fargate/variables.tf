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
  default     = "csv-to-kafka-ecs"
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
  description = "true only for public subnets without NAT."
  type        = bool
  default     = false
}

variable "task_cpu" {
  description = "CPU units of the task: 1024 are one vCPU."
  type        = number
  default     = 2048

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.task_cpu)
    error_message = "task_cpu must be 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "task_memory" {
  description = "Memory of the task in MiB; the loader needs less than 1024, whatever the file's size."
  type        = number
  default     = 4096
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64: what the image was built for."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture must be X86_64 or ARM64."
  }
}

variable "stop_timeout_seconds" {
  description = "Seconds between SIGTERM and SIGKILL. The loader stores its checkpoint within 6."
  type        = number
  default     = 60

  validation {
    condition     = var.stop_timeout_seconds >= 15 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds must be 15 to 120 (ECS allows no more)."
  }
}

variable "fargate_spot" {
  description = "Run on Fargate Spot: some 70 % cheaper, interrupted now and then, resumed by resume_interrupted."
  type        = bool
  default     = false
}

variable "resume_interrupted" {
  description = "Start a task again that AWS ended (Spot interruption, host maintenance). It goes on where it stopped."
  type        = bool
  default     = true
}

variable "schedule" {
  description = "When the job runs by itself, e.g. cron(0 2 * * ? *); empty: by hand. A completed job that runs again does nothing, so give each night its own key and job id."
  type        = string
  default     = ""

  validation {
    condition     = var.schedule == "" || can(regex("^(cron|rate|at)\\(.+\\)$", var.schedule))
    error_message = "schedule must be cron(...), rate(...) or at(...)."
  }
}

variable "schedule_timezone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "UTC"
}
