# Given the module with a mocked provider, when it is planned or applied, then what a caller relies on holds.

mock_provider "aws" {
  # OpenTofu invents values that the provider's own validation of ARNs refuses.
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111111111111:log-group:mock" }
  }
  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws:dynamodb:eu-central-1:111111111111:table/welcome-test" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111111111111:role/welcome-test" }
  }
  mock_resource "aws_lambda_alias" {
    defaults = { invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/mock/invocations" }
  }
  mock_resource "aws_apigatewayv2_api" {
    defaults = { id = "abc123", execution_arn = "arn:aws:execute-api:eu-central-1:111111111111:abc123" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
}

variables {
  environment = "test"
}

run "names_are_what_other_parts_rely_on" {
  assert {
    condition = alltrue([
      aws_lambda_function.welcome.function_name == "welcome-test",
      aws_dynamodb_table.messages.name == "welcome-test",
      aws_apigatewayv2_api.welcome.name == "welcome-test",
      aws_iam_role.function.name == "welcome-test",
      aws_cloudwatch_log_group.function.name == "/aws/lambda/welcome-test",
      aws_cloudwatch_log_group.api.name == "/aws/apigateway/welcome-test",
      aws_lambda_alias.live.name == "live",
    ])
    error_message = "A name changed that policies, workflows or commands rely on."
  }
  assert {
    condition     = output.url == "https://abc123.execute-api.eu-central-1.amazonaws.com/test/welcome"
    error_message = "The URL is not https://ID.execute-api.REGION.amazonaws.com/ENVIRONMENT/welcome."
  }
}

run "defaults_are_safe" {
  assert {
    condition     = aws_dynamodb_table.messages.deletion_protection_enabled && aws_dynamodb_table.messages.point_in_time_recovery[0].enabled
    error_message = "The table is not protected by default."
  }
  assert {
    condition     = aws_apigatewayv2_stage.environment.default_route_settings[0].throttling_rate_limit > 0
    error_message = "The stage has no throttling limit."
  }
  assert {
    condition     = aws_lambda_function.welcome.tracing_config[0].mode == "Active"
    error_message = "The function is not traced."
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 5
    error_message = "An alarm is missing: 5xx, p99, function errors, function throttles, table throttles."
  }
  assert {
    condition     = length(aws_apigatewayv2_domain_name.custom) == 0 && output.domain_target == null
    error_message = "A custom domain was made without being asked for."
  }
}

run "terraform_never_publishes" {
  assert {
    condition     = aws_lambda_function.welcome.publish == false
    error_message = "With publish, an apply publishes whatever code a failed release left behind."
  }
}

run "the_gateway_may_invoke_the_live_alias_only" {
  assert {
    condition     = aws_lambda_permission.api.qualifier == "live" && endswith(aws_lambda_permission.api.source_arn, ":abc123/test/*/welcome")
    error_message = "The permission is wider than one route of one stage on the alias `live`."
  }
}

run "options" {
  variables {
    alarms                   = { notify_topic_arns = ["arn:aws:sns:eu-central-1:111111111111:pager"] }
    domain                   = { certificate_arn = "arn:aws:acm:eu-central-1:111111111111:certificate/1", name = "welcome.example.org" }
    function                 = { snap_start = true }
    permissions_boundary_arn = "arn:aws:iam::111111111111:policy/welcome-test-boundary"
  }
  assert {
    condition     = aws_iam_role.function.permissions_boundary == "arn:aws:iam::111111111111:policy/welcome-test-boundary"
    error_message = "The boundary is not on the function's role."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_actions) == 1 && length(alarm.ok_actions) == 1])
    error_message = "An alarm does not notify."
  }
  assert {
    condition     = aws_lambda_function.welcome.snap_start[0].apply_on == "PublishedVersions"
    error_message = "SnapStart was asked for and is off."
  }
  assert {
    condition     = aws_apigatewayv2_api_mapping.custom["welcome.example.org"].stage == aws_apigatewayv2_stage.environment.id
    error_message = "The custom domain does not lead to the stage."
  }
}

run "bad_input_is_refused" {
  command = plan

  variables {
    alarms             = { period_seconds = 90 }
    api                = { throttling_rate_limit = 0 }
    domain             = { certificate_arn = "x", name = "https://welcome.example.org/" }
    environment        = "Not-A-Name"
    function           = { architecture = "sparc" }
    initial_message    = ""
    kms_key_arn        = "alias/key"
    log_retention_days = 8
  }

  expect_failures = [
    var.alarms,
    var.api,
    var.domain,
    var.environment,
    var.function,
    var.initial_message,
    var.kms_key_arn,
    var.log_retention_days,
  ]
}
