variable "name" {
  description = "Begins the name of everything made here, but the table's and the log group's."
  type        = string
  default     = "csv-to-kafka-batch"
}

variable "log_group_name" {
  description = "Log group of the job: for a second deployment beside this one, another name."
  type        = string
  default     = "/aws/batch/csv-to-kafka"
}

variable "compute" {
  description = "Where jobs run: FARGATE, FARGATE_SPOT, or EC2 SPOT as SPOT. Without Spot capacity: on FARGATE, or on EC2 on demand."
  type        = string
  default     = "FARGATE_SPOT"

  validation {
    condition     = contains(["FARGATE", "FARGATE_SPOT", "SPOT"], var.compute)
    error_message = "compute must be FARGATE, FARGATE_SPOT or SPOT."
  }
}

variable "instance_types" {
  description = "Instance types or families for SPOT; empty: c and m of size large. More of them, fewer interruptions."
  type        = list(string)
  default     = []
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
  description = "Memory of a job in MiB; the loader needs less than 1024, whatever the file's size. Empty: 4096 on Fargate, 3072 on EC2, where an instance has some 300 less than its type says."
  type        = number
  default     = null
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

variable "runnable_minutes" {
  description = "How long a job may wait for capacity at the head of the queue before it fails, and an alarm says so."
  type        = number
  default     = 60

  validation {
    condition     = var.runnable_minutes >= 10 && var.runnable_minutes <= 1440
    error_message = "runnable_minutes must be 10 to 1440."
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
