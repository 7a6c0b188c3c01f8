variable "name" {
  description = "Begins the name of everything made here, but the table's and the log group's."
  type        = string
  default     = "csv-to-kafka-spot"
}

variable "log_group_name" {
  description = "Log group of the job: for a second deployment beside this one, another name."
  type        = string
  default     = "/ec2/csv-to-kafka"
}

variable "instance_type" {
  description = "Type of the instance; launch-spot.sh --instance-type says another for one run. Empty: c6i.large, or c7g.large on ARM64."
  type        = string
  default     = ""
}

variable "image_id" {
  description = "AMI of your own, made from Amazon Linux 2023; empty: the newest of those."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(|ami-[0-9a-f]+|resolve:ssm:/.+)$", var.image_id))
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

variable "max_days" {
  description = "Days after its launch in which EC2 may start another instance for an interrupted job."
  type        = number
  default     = 2

  validation {
    condition     = var.max_days >= 1 && var.max_days <= 7
    error_message = "max_days must be 1 to 7."
  }
}
