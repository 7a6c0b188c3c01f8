variable "name" {
  description = "Begins the name of everything made here, but the table's and the log group's."
  type        = string
  default     = "csv-to-kafka-ecs"
}

variable "log_group_name" {
  description = "Log group of the job: for a second deployment beside this one, another name."
  type        = string
  default     = "/ecs/csv-to-kafka"
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
  description = "When the job runs by itself, e.g. cron(0 2 * * ? *); empty: by hand, or by `new_objects`."
  type        = string
  default     = ""

  validation {
    condition     = var.schedule == "" || can(regex("^(cron|rate|at)\\(.+\\)$", var.schedule))
    error_message = "schedule must be cron(...), rate(...) or at(...)."
  }
}

variable "schedule_key" {
  description = "Key that a run of the schedule loads, which is its job id too, e.g. exports/{date}/data.csv. Ends in /: all objects whose keys begin so. {date} is 2026-11-27; {year}, {month}, {day}, {hour} too. Taken from the time of the schedule in UTC."
  type        = string
  default     = ""
}

variable "schedule_key_hours" {
  description = "Hours added to the time of the schedule (UTC) before `schedule_key` takes its date: -24 for yesterday's."
  type        = number
  default     = 0
}

variable "schedule_timezone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "UTC"
}

variable "new_objects" {
  description = "Keys, after `s3_prefix`, that are loaded when they come, e.g. *.csv; their key is the job id. Empty: none. The bucket must tell EventBridge of its objects."
  type        = string
  default     = ""
}
