variable "job" {
  description = "What is loaded where, and how the job identifies itself to Kafka."
  type = object({
    s3_bucket               = string                        # Bucket of the CSV objects.
    s3_prefix               = optional(string, "")          # Keys that the job may read begin with this; empty: the whole bucket.
    s3_kms_key_arn          = optional(string, "")          # Key that encrypts the objects, if it is one of your own.
    s3_key                  = optional(string, "")          # Key of the CSV object; ends in /: all objects whose keys begin so, as one job; empty: given at each run.
    job_id                  = optional(string, "csv-job-1") # Name of the job of `s3_key`: one for each file.
    kafka_bootstrap_servers = string                        # Brokers as host:port,host:port.
    kafka_topic             = string                        # Topic that gets the rows.
    scratch_topic           = optional(string, "")          # Topic of first tests, which the job may write too.
    dead_letter_topic       = optional(string, "")          # Topic for bad rows; empty: a bad row stops the job.
    routed_topics           = optional(list(string), [])    # Topics of [[route]] in CSV_COLUMNS, to which the job may write too.
    kafka_authentication    = optional(string, "iam")       # How the job identifies itself to Kafka: none, tls, iam, scram or plain.
    kafka_secret_arn        = optional(string, "")          # Secret with username and password, for scram and plain.
    msk_cluster_arn         = optional(string, "")          # ARN of the MSK cluster, for iam.
    msk_full_access         = optional(bool, false)         # kafka-cluster:* on the cluster and the topics, instead of what the loader needs.
    settings                = optional(map(string), {})     # More settings of the loader by their environment variables.
  })

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.job.s3_bucket))
    error_message = "job.s3_bucket must be the name of a bucket, without s3://."
  }
  validation {
    condition     = var.job.s3_key == "" || startswith(var.job.s3_key, var.job.s3_prefix)
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

variable "attributes" {
  description = "The names that were given in `job`: terraform drops those that it does not know."
  type        = list(string)
  default     = []
}

variable "table_name" {
  description = "Checkpoint table."
  type        = string
}

variable "region" {
  description = "Region of the table and the cluster."
  type        = string
}

variable "account_id" {
  description = "Account of the table."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "dns_suffix" {
  description = "Ends the names of AWS's hosts in the partition."
  type        = string
  default     = "amazonaws.com"
}
