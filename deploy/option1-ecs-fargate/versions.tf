terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }

  # State is a file in this folder until you say where else. For more than one person:
  #
  # backend "s3" {
  #   bucket       = "my-terraform-state"
  #   key          = "csv-to-kafka/option1-ecs-fargate.tfstate"
  #   region       = "eu-west-1"
  #   use_lockfile = true
  # }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ Project = "csv-to-kafka", ManagedBy = "terraform", Option = "ecs-fargate" }, var.tags)
  }
}
