# What the units need to be made and changed, on the names of this environment. Deleting stops where data begins: a
# table and a log group are removed by a person.
data "aws_iam_policy_document" "apply" {
  source_policy_documents = [
    data.aws_iam_policy_document.read_state.json,
    data.aws_iam_policy_document.write_state.json,
    data.aws_iam_policy_document.refresh.json,
  ]

  statement {
    sid       = "ReadPlanRecords"
    actions   = ["s3:GetObject"]
    resources = [local.plan_records_arn]
  }

  statement {
    sid       = "KeepTheLedgerOfDeliveries"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [local.ledger_arn]
  }

  statement {
    sid = "ChangeTheFunction"
    actions = [
      "lambda:CreateAlias",
      "lambda:CreateFunction",
      "lambda:DeleteAlias",
      "lambda:DeleteFunction",
      "lambda:DeleteFunctionConcurrency",
      "lambda:PutFunctionConcurrency",
      "lambda:TagResource",
      "lambda:UntagResource",
      "lambda:UpdateFunctionConfiguration",
    ]
    resources = [local.function_arn]
  }

  statement {
    # The alias is the only way in, and the gateway the only one who may use it.
    sid       = "LetOnlyTheApiInvokeTheAlias"
    actions   = ["lambda:AddPermission", "lambda:RemovePermission"]
    resources = ["${local.function_arn}:live"]

    condition {
      test     = "StringEqualsIfExists"
      variable = "lambda:Principal"
      values   = ["apigateway.amazonaws.com"]
    }
  }

  statement {
    # Whatever the policy of that role says, it can do no more than the boundary.
    sid       = "MakeTheFunctionsRoleOnlyWithItsBoundary"
    actions   = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy"]
    resources = [local.function_role_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.boundary_arn]
    }
  }

  statement {
    sid       = "RemoveAndTagTheFunctionsRole"
    actions   = ["iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:TagRole", "iam:UntagRole"]
    resources = [local.function_role_arn]
  }

  statement {
    sid       = "PassTheFunctionsRoleToLambda"
    actions   = ["iam:PassRole"]
    resources = [local.function_role_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["lambda.amazonaws.com"]
    }
  }

  statement {
    sid = "ChangeTheTablesSettings"
    actions = [
      "dynamodb:CreateTable",
      "dynamodb:TagResource",
      "dynamodb:UntagResource",
      "dynamodb:UpdateContinuousBackups",
      "dynamodb:UpdateTable",
    ]
    resources = [local.table_arn]
  }

  statement {
    # IAM has no condition for "only if there is none"; the provider's own request has it (docs/traps.md).
    sid       = "PutTheFirstMessage"
    actions   = ["dynamodb:PutItem"]
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
    sid       = "MakeTheApi"
    actions   = ["apigateway:POST", "apigateway:TagResource"]
    resources = [local.apis_arn, local.api_arn]
  }

  statement {
    sid       = "ChangeTheApi"
    actions   = ["apigateway:DELETE", "apigateway:PATCH"]
    resources = [local.api_arn]
  }

  statement {
    sid       = "TagTheApi"
    actions   = ["apigateway:DELETE", "apigateway:POST"]
    resources = [local.api_tags_arn]
  }

  statement {
    sid       = "ChangeTheAlarms"
    actions   = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
    resources = [local.alarms_arn]
  }

  statement {
    sid       = "ChangeTheLogGroups"
    actions   = ["logs:CreateLogGroup", "logs:PutRetentionPolicy"]
    resources = [for arn in local.log_group_arns : "${arn}:*"]
  }

  statement {
    # Tags name a group without the `:*` that everything else about it has, except while it is created.
    sid       = "TagTheLogGroups"
    actions   = ["logs:TagResource", "logs:UntagResource"]
    resources = flatten([for arn in local.log_group_arns : [arn, "${arn}:*"]])
  }

  statement {
    # A stage with an access log needs these of whoever sets it, AWS checks them on no resource, and the emulator does
    # not check them at all: docs/traps.md.
    sid = "OnAwsOnlyDeliverAccessLogs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  statement {
    # Explicit, so that a policy which somebody attaches in a hurry does not change it.
    sid    = "CodeAndAliasBelongToReleases"
    effect = "Deny"
    actions = [
      "lambda:InvokeFunction",
      "lambda:PublishVersion",
      "lambda:UpdateAlias",
      "lambda:UpdateFunctionCode",
    ]
    resources = [local.function_arn, local.function_versions_arn]
  }

  statement {
    # A layer is code as well.
    sid       = "NoCodeInLayers"
    effect    = "Deny"
    actions   = ["lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"]
    resources = [local.function_arn]

    condition {
      test     = "Null"
      variable = "lambda:Layer"
      values   = ["false"]
    }
  }

  statement {
    sid    = "MessagesBelongToTheirAuthors"
    effect = "Deny"
    actions = [
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:DeleteTable",
      "dynamodb:PartiQLDelete",
      "dynamodb:PartiQLInsert",
      "dynamodb:PartiQLUpdate",
      "dynamodb:UpdateItem",
    ]
    resources = [local.table_arn]
  }
}
