# What a job is, without any resource: its environment, its secrets, and what its role may do.
#
# The module needs no provider, so what it says can be computed and tested anywhere: the tests hold
# the policy against the calls that the loader makes, and the environment against its settings.

terraform {
  required_version = ">= 1.5"
}

locals {
  kafka_iam = var.job.kafka_authentication == "iam"
  # No object that could be loaded ends in a slash: it is a set of them.
  source = endswith(var.job.s3_key, "/") ? "S3_PREFIX" : "S3_KEY"

  environment = merge(
    {
      S3_BUCKET               = var.job.s3_bucket
      KAFKA_BOOTSTRAP_SERVERS = var.job.kafka_bootstrap_servers
      KAFKA_TOPIC             = var.job.kafka_topic
      DYNAMODB_TABLE          = var.table_name
      AWS_REGION              = var.region
    },
    var.job.s3_key == "" ? {} : { JOB_ID = var.job.job_id },
    var.job.s3_key == "" ? {} : { (local.source) = var.job.s3_key },
    var.job.dead_letter_topic == "" ? {} : {
      DEAD_LETTER_TOPIC = var.job.dead_letter_topic
      ON_BAD_ROW        = "dead-letter"
    },
    {
      none  = { KAFKA_SECURITY_PROTOCOL = "PLAINTEXT" }
      tls   = { KAFKA_SECURITY_PROTOCOL = "SSL" }
      iam   = { KAFKA_SECURITY_PROTOCOL = "SASL_SSL", KAFKA_AWS_MSK_IAM = "true" }
      scram = { KAFKA_SECURITY_PROTOCOL = "SASL_SSL", KAFKA_SASL_MECHANISM = "SCRAM-SHA-512" }
      plain = { KAFKA_SECURITY_PROTOCOL = "SASL_SSL", KAFKA_SASL_MECHANISM = "PLAIN" }
    }[var.job.kafka_authentication],
    var.job.settings,
  )

  # The secret holds what MSK's own SCRAM secrets hold: {"username": "...", "password": "..."}.
  secrets = contains(["scram", "plain"], var.job.kafka_authentication) ? {
    KAFKA_SASL_PLAIN_USERNAME = "${var.job.kafka_secret_arn}:username::"
    KAFKA_SASL_PLAIN_PASSWORD = "${var.job.kafka_secret_arn}:password::"
  } : {}

  topics = distinct(compact(concat(
    [var.job.kafka_topic, var.job.scratch_topic, var.job.dead_letter_topic],
    var.job.routed_topics,
  )))
  # arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID -> …:topic/NAME/UUID/TOPIC
  topic_arns = [
    for topic in local.topics : "${replace(var.job.msk_cluster_arn, ":cluster/", ":topic/")}/${topic}"
  ]

  statements = concat(
    [
      {
        Sid      = "ReadSource"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion"]
        Resource = ["arn:${var.partition}:s3:::${var.job.s3_bucket}/${var.job.s3_prefix}*"]
      },
      # Without it S3 answers 403 where 404 is the truth: a wrong key would look like a wrong policy.
      {
        Sid       = "TellMissingFromForbidden"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:${var.partition}:s3:::${var.job.s3_bucket}"]
        Condition = { StringLike = { "s3:prefix" = ["${var.job.s3_prefix}*"] } }
      },
      {
        Sid    = "Checkpoint"
        Effect = "Allow"
        Action = [
          "dynamodb:DescribeTable",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:UpdateItem",
        ]
        Resource = [
          "arn:${var.partition}:dynamodb:${var.region}:${var.account_id}:table/${var.table_name}"
        ]
      },
    ],
    # S3 decrypts with the key for whoever may use it; only through S3 then.
    var.job.s3_kms_key_arn == "" ? [] : [{
      Sid       = "DecryptSource"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [var.job.s3_kms_key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.${var.dns_suffix}" } }
    }],
    !local.kafka_iam ? [] : [
      for statement in(var.job.msk_full_access ? [
        {
          Sid      = "KafkaAll"
          Action   = ["kafka-cluster:*"]
          Resource = concat([var.job.msk_cluster_arn], local.topic_arns)
        },
        ] : [
        {
          Sid = "KafkaCluster"
          Action = [
            "kafka-cluster:Connect",
            "kafka-cluster:DescribeCluster",
            # producer.id.expiration.ms: for how long the brokers remember the job.
            "kafka-cluster:DescribeClusterDynamicConfiguration",
            "kafka-cluster:WriteDataIdempotently",
          ]
          Resource = [var.job.msk_cluster_arn]
        },
        {
          Sid = "KafkaTopic"
          Action = [
            "kafka-cluster:DescribeTopic",
            # cleanup.policy, min.insync.replicas, max.message.bytes: checked before the first row.
            "kafka-cluster:DescribeTopicDynamicConfiguration",
            # The topic's tail, read back at a resume, and DescribeProducers (READ): is the job known?
            "kafka-cluster:ReadData",
            "kafka-cluster:WriteData",
          ]
          Resource = local.topic_arns
        },
      ]) : merge(statement, { Effect = "Allow" })
    ],
  )
}
