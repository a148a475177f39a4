# Terragrunt bootstraps the bucket, since state must be somewhere before anything can be applied. Only its settings are
# managed here, by name: they include what the bootstrap sets, and what it does not.

data "aws_caller_identity" "current" {}

locals {
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
}

data "aws_partition" "current" {}

resource "aws_s3_bucket_versioning" "state" {
  bucket = var.bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = var.bucket

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket = var.bucket

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyOverTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "OnlyThisAccount"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "aws:PrincipalAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_s3_bucket_policy" "state" {
  bucket = var.bucket
  policy = data.aws_iam_policy_document.bucket.json

  # S3 refuses a policy while the block settings change.
  depends_on = [aws_s3_bucket_public_access_block.state]
}

# The provider waits 55 s after it sets a lifecycle (docs/traps.md), so nothing may depend on this one.
resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = var.bucket

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    noncurrent_version_expiration {
      newer_noncurrent_versions = var.old_versions.newest
      noncurrent_days           = var.old_versions.days
    }
  }

  rule {
    id     = "plan-records"
    status = "Enabled"

    filter {
      prefix = "plans/"
    }

    expiration {
      days = var.plan_record_days
    }

    noncurrent_version_expiration {
      noncurrent_days = var.plan_record_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}
