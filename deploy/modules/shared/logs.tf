resource "aws_cloudwatch_log_group" "job" {
  # checkov:skip=CKV_AWS_158: AWS encrypts it with a key of its own; no row is ever logged.
  # checkov:skip=CKV_AWS_338: How long it is kept is the operator's choice: log_retention_days.
  name              = var.log_group_name
  retention_in_days = var.log_retention_days
}

locals {
  namespace = "csvkafka/${var.name}"
}

# "… - csvkafka.processor - ERROR - TopicTruncatedError: …"
resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "${var.name}-errors"
  log_group_name = aws_cloudwatch_log_group.job.name
  pattern        = "\" - ERROR - \""

  metric_transformation {
    name      = "Errors"
    namespace = local.namespace
    value     = "1"
  }
}

# "… - csvkafka.process.load_log - INFO - Progress: 10000 records sent (line 60000)"
resource "aws_cloudwatch_log_metric_filter" "progress" {
  name           = "${var.name}-progress"
  log_group_name = aws_cloudwatch_log_group.job.name
  pattern        = "\"INFO - Progress: \""

  metric_transformation {
    name      = "ProgressLines"
    namespace = local.namespace
    value     = "1"
  }
}
