# What a refresh of the units reads: not ReadOnlyAccess, which reads every secret of the account along with it.
data "aws_iam_policy_document" "refresh" {
  statement {
    sid = "ReadTheFunction"
    actions = [
      "lambda:GetAlias",
      "lambda:GetFunction",
      "lambda:GetFunctionCodeSigningConfig",
      "lambda:GetPolicy",
      "lambda:ListVersionsByFunction",
    ]
    resources = [local.function_arn, local.function_versions_arn]
  }

  statement {
    sid       = "ReadTheFunctionsRole"
    actions   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"]
    resources = [local.function_role_arn]
  }

  statement {
    sid = "ReadTheTablesSettings"
    actions = [
      "dynamodb:DescribeContinuousBackups",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
      "dynamodb:ListTagsOfResource",
    ]
    resources = [local.table_arn]
  }

  statement {
    sid       = "ReadTheMessage"
    actions   = ["dynamodb:GetItem"]
    resources = [local.table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["welcome"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  statement {
    sid       = "ReadTheApi"
    actions   = ["apigateway:GET"]
    resources = [local.api_arn]
  }

  statement {
    sid       = "ReadTheAlarms"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"]
    resources = [local.alarms_arn]
  }

  statement {
    sid       = "ReadTagsOfTheLogGroups"
    actions   = ["logs:ListTagsForResource"]
    resources = local.log_group_arns
  }

  statement {
    # AWS searches log groups by prefix and knows no narrower resource for it than all of them: docs/traps.md.
    sid       = "FindTheLogGroups"
    actions   = ["logs:DescribeLogGroups"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:*"]
  }
}

data "aws_iam_policy_document" "plan" {
  source_policy_documents = [
    data.aws_iam_policy_document.read_state.json,
    data.aws_iam_policy_document.refresh.json,
  ]

  statement {
    # Written by plan and not even read back: what is applied is what was reviewed.
    sid       = "KeepPlanRecords"
    actions   = ["s3:PutObject"]
    resources = [local.plan_records_arn]
  }

  statement {
    sid       = "ReadWhatTheLastDeliveryLeft"
    actions   = ["s3:GetObject"]
    resources = [local.ledger_arn]
  }
}
