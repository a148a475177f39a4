# The second wall. A boundary grants nothing; it is what no policy can get past, whoever writes it.

# Of the function: the apply role decides what its policy says and which code runs under it, so this is what keeps an
# apply from getting through the function what it does not have itself.
data "aws_iam_policy_document" "boundary" {
  statement {
    sid       = "ReadMessages"
    actions   = ["dynamodb:GetItem"]
    resources = [local.table_arn]
  }

  statement {
    sid       = "WriteItsLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for arn in local.log_group_arns : "${arn}:*"]
  }

  statement {
    # AWS knows no resource for these two: docs/traps.md.
    sid       = "SendTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "boundary" {
  name        = "${local.name}-boundary"
  description = "Permissions boundary of the role of ${local.name}"
  policy      = data.aws_iam_policy_document.boundary.json
}

# Of the three roles of the pipeline.
data "aws_iam_policy_document" "pipeline_boundary" {
  statement {
    sid     = "OnlyThisEnvironmentsResources"
    actions = ["apigateway:*", "cloudwatch:*", "dynamodb:*", "lambda:*", "logs:*", "s3:*"]
    resources = concat(
      [
        local.alarms_arn,
        local.api_arn,
        local.api_tags_arn,
        local.apis_arn,
        local.bucket_arn,
        local.function_arn,
        local.function_versions_arn,
        local.ledger_arn,
        local.lock_table_arn,
        local.plan_records_arn,
        local.table_arn,
      ],
      [for key in local.readable_states : "${local.bucket_arn}/${key}"],
      [for arn in local.log_group_arns : "${arn}*"],
    )
  }

  statement {
    # What AWS offers no narrower resource for: docs/traps.md.
    sid = "WhatHasNoArn"
    actions = [
      "cloudwatch:GetMetricData",
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  statement {
    # Not what would free the role: its trust, its boundary, attached policies.
    sid = "TheFunctionsRoleWithinItsBoundary"
    actions = [
      "iam:CreateRole",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
      "iam:PassRole",
      "iam:PutRolePolicy",
      "iam:TagRole",
      "iam:UntagRole",
    ]
    resources = [local.function_role_arn]
  }

  statement {
    # Everything but listing the bucket and using objects: its settings are the remote_state unit's.
    sid         = "TheStateBucketKeepsItsSettings"
    effect      = "Deny"
    not_actions = ["s3:ListBucket"]
    resources   = [local.bucket_arn]
  }

  statement {
    sid         = "StatesKeepTheirHistory"
    effect      = "Deny"
    not_actions = ["s3:GetObject", "s3:PutObject"]
    resources   = ["${local.bucket_arn}/*"]
  }

  statement {
    # The pipeline reads the outputs of this unit and never writes its state.
    sid       = "DeliverysStateIsWrittenByPeople"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/${var.environment}/delivery/*", "${local.bucket_arn}/${var.environment}/remote_state/*"]
  }

  statement {
    sid         = "TheLockTableKeepsItsSettings"
    effect      = "Deny"
    not_actions = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
    resources   = [local.lock_table_arn]
  }
}

resource "aws_iam_policy" "pipeline_boundary" {
  name        = "${local.name}-pipeline-boundary"
  description = "Permissions boundary of the plan, apply and release roles of ${local.name}"
  policy      = data.aws_iam_policy_document.pipeline_boundary.json
}
