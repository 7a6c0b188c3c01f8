# The job's image. A tag is never moved: what a job definition names is what was tested.
resource "aws_ecr_repository" "job" {
  # checkov:skip=CKV_AWS_136: The image holds no secret; AES256 is AWS's own key.
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  # `destroy` asks for its own flag; what is in here can be built again from the sources.
  force_delete = true

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "job" {
  repository = aws_ecr_repository.job.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last 20 images"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 20 }
      action       = { type = "expire" }
    }]
  })
}
