# What the policies are about. The roles are for one environment, one account and one region, so everything has a name
# but the API: API Gateway makes up its id.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  name         = "welcome-${var.environment}"
  boundary_arn = "arn:${local.partition}:iam::${local.account}:policy/${local.name}-boundary"

  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region

  apis_arn              = "arn:${local.partition}:apigateway:${local.region}::/apis"
  api_arn               = "${local.apis_arn}/*"
  api_tags_arn          = "arn:${local.partition}:apigateway:${local.region}::/tags/arn%3A${local.partition}%3Aapigateway%3A${local.region}%3A%3A%2Fapis%2F*"
  alarms_arn            = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${local.name}-*"
  function_arn          = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.name}"
  function_role_arn     = "arn:${local.partition}:iam::${local.account}:role/${local.name}"
  function_versions_arn = "${local.function_arn}:*" # versions and aliases
  log_group_arns = [
    for group in ["/aws/apigateway/${local.name}", "/aws/lambda/${local.name}"] :
    "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${group}"
  ]
  oidc_provider_arn = "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.issuer}"
  table_arn         = "arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${local.name}"

  bucket_arn       = "arn:${local.partition}:s3:::${var.state.bucket}"
  lock_table_arn   = "arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${var.state.lock_table}"
  ledger_arn       = "${local.bucket_arn}/ledger/${var.environment}/*"
  plan_records_arn = "${local.bucket_arn}/plans/${var.environment}/*"

  # The units' own states, and that of this unit: the units read its outputs.
  own_states      = [for unit in sort(tolist(var.state.units)) : "${var.environment}/${unit}/terraform.tfstate"]
  readable_states = concat(local.own_states, ["${var.environment}/delivery/terraform.tfstate"])
}
