# What a release, a rollback and their checks need, on the one function.
data "aws_iam_policy_document" "release" {
  statement {
    sid = "ReleaseCode"
    actions = [
      "lambda:GetAlias",
      "lambda:GetFunctionConfiguration",
      "lambda:ListVersionsByFunction",
      "lambda:PublishVersion",
      "lambda:UpdateAlias",
      "lambda:UpdateFunctionCode",
    ]
    resources = [local.function_arn]
  }

  statement {
    # With a qualifier only: without one, DeleteFunction deletes the function.
    sid       = "CheckAndPruneVersions"
    actions   = ["lambda:DeleteFunction", "lambda:GetFunctionConfiguration", "lambda:InvokeFunction"]
    resources = [local.function_versions_arn]
  }

  statement {
    sid       = "FindTheUrl"
    actions   = ["apigateway:GET"]
    resources = [local.apis_arn]
  }

  statement {
    # Metrics have no ARN: docs/traps.md.
    sid       = "WatchErrorsDuringARelease"
    actions   = ["cloudwatch:GetMetricData"]
    resources = ["*"]
  }
}
