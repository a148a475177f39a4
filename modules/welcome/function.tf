locals {
  name       = "welcome-${var.environment}"
  message_id = "welcome"
}

resource "aws_cloudwatch_log_group" "function" {
  # checkov:skip=CKV_AWS_158:The key that AWS owns encrypts it; your own is the input kms_key_arn, since it costs money and can be lost.
  # checkov:skip=CKV_AWS_338:How long logs are kept is the input log_retention_days: access logs hold addresses of people, so longer is not safer.
  name              = "/aws/lambda/${local.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

data "aws_iam_policy_document" "lambda_service" {
  statement {
    sid     = "OnlyLambdaTakesThisRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "function" {
  statement {
    sid       = "ReadTheOneMessage"
    actions   = ["dynamodb:GetItem"]
    resources = [aws_dynamodb_table.messages.arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [local.message_id]
    }
    # ForAllValues also holds for a request without the key.
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  statement {
    sid       = "WriteItsOwnLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }

  statement {
    # AWS knows no resource for these two: docs/traps.md.
    sid       = "SendTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]

    content {
      sid       = "DecryptTheTable"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

# The name is fixed: a weighted alias may only join versions of one role, so a replaced role would end every canary.
resource "aws_iam_role" "function" {
  name                 = local.name
  assume_role_policy   = data.aws_iam_policy_document.lambda_service.json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "function" {
  name   = local.name
  role   = aws_iam_role.function.name
  policy = data.aws_iam_policy_document.function.json
}

resource "aws_lambda_function" "welcome" {
  # checkov:skip=CKV_AWS_116:A dead letter queue is for asynchronous invocations; the gateway waits for the answer.
  # checkov:skip=CKV_AWS_117:It reaches DynamoDB only; a VPC would add cold start time and an endpoint to pay for, and protect nothing.
  # checkov:skip=CKV_AWS_173:The variables hold names, no secret.
  # checkov:skip=CKV_AWS_272:What may be uploaded is decided by the release role; a signing profile would need a person's account-wide set-up.
  function_name                  = local.name
  architectures                  = [var.function.architecture]
  filename                       = "${path.module}/initial.zip"
  handler                        = "handler.handler"
  memory_size                    = var.function.memory_mb
  publish                        = false # a release publishes; with true, an apply publishes whatever a failed one left behind
  reserved_concurrent_executions = var.function.reserved_concurrency
  role                           = aws_iam_role.function.arn
  runtime                        = var.function.runtime
  timeout                        = var.function.timeout_seconds

  environment {
    variables = {
      CACHE_TTL_SECONDS = tostring(var.function.cache_ttl_seconds)
      ENVIRONMENT       = var.environment
      MESSAGE_KEY       = local.message_id
      TABLE_NAME        = aws_dynamodb_table.messages.name
    }
  }

  dynamic "snap_start" {
    for_each = var.function.snap_start ? ["PublishedVersions"] : []

    content {
      apply_on = snap_start.value
    }
  }

  tracing_config {
    mode = "Active"
  }

  lifecycle {
    # Code belongs to `ops release`. The provider uploads `filename` again when any of these differs, so a list that
    # names only the hashes still puts the initial package back: when the architecture changes, or the path.
    ignore_changes = [
      architectures,
      code_sha256,
      filename,
      image_uri,
      s3_bucket,
      s3_key,
      s3_object_version,
      source_code_hash,
      source_kms_key_arn,
    ]
  }

  # Without them the first invocation makes a log group that never expires, or is denied.
  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.welcome.function_name
  function_version = "$LATEST" # until the first release moves it to a published version

  lifecycle {
    # The alias is what a release moves, in steps. It has no description: the provider sends version and weights, as
    # they were when it refreshed, with every update of anything else, and that would undo a release in between.
    ignore_changes = [description, function_version, routing_config]
  }
}
