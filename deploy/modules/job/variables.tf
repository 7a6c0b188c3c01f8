variable "s3_bucket" {
  description = "Bucket of the CSV objects."
  type        = string
}

variable "s3_prefix" {
  description = "Keys that the job may read begin with this; empty: the whole bucket."
  type        = string
  default     = ""
}

variable "s3_kms_key_arn" {
  description = "Key that encrypts the objects, if it is one of your own."
  type        = string
  default     = ""
}

variable "s3_key" {
  description = "Key of the CSV object; empty: given at each run."
  type        = string
  default     = ""
}

variable "job_id" {
  description = "Name of the job: one for each file."
  type        = string
  default     = "csv-job-1"
}

variable "kafka_bootstrap_servers" {
  description = "Brokers as host:port,host:port."
  type        = string
}

variable "kafka_topic" {
  description = "Topic that gets the rows."
  type        = string
}

variable "dead_letter_topic" {
  description = "Topic for bad rows; empty: a bad row stops the job."
  type        = string
  default     = ""
}

variable "kafka_authentication" {
  description = "How the job identifies itself to Kafka: none, tls, iam, scram or plain."
  type        = string
}

variable "kafka_secret_arn" {
  description = "Secret with username and password."
  type        = string
  default     = ""

  validation {
    condition     = length(var.kafka_secret_arn) == 0 || startswith(var.kafka_secret_arn, "arn:")
    error_message = "kafka_secret_arn must be an ARN."
  }
}

variable "msk_cluster_arn" {
  description = "ARN of the MSK cluster."
  type        = string
  default     = ""
}

variable "msk_full_access" {
  description = "kafka-cluster:* on the cluster and the topics, instead of what the loader needs."
  type        = bool
  default     = false
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

variable "settings" {
  description = "More settings of the loader by their environment variables."
  type        = map(string)
  default     = {}
}
