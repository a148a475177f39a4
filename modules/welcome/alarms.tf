locals {
  api_dimensions      = { ApiId = aws_apigatewayv2_api.welcome.id, Stage = aws_apigatewayv2_stage.environment.name }
  function_dimensions = { FunctionName = aws_lambda_function.welcome.function_name }

  alarms = {
    api-5xx = {
      description = "The API answers with server errors: see the access log, then the function's log."
      dimensions  = local.api_dimensions
      metric      = "5xx"
      namespace   = "AWS/ApiGateway"
      threshold   = var.alarms.api_5xx
    }
    api-p99-latency = {
      description = "One request in a hundred is slow: compare the store's latency with the number of cold starts."
      dimensions  = local.api_dimensions
      metric      = "Latency"
      namespace   = "AWS/ApiGateway"
      percentile  = "p99"
      threshold   = var.alarms.p99_latency_ms
    }
    function-errors = {
      description = "The function fails: roll back with `make rollback` if a release preceded it."
      dimensions  = local.function_dimensions
      metric      = "Errors"
      namespace   = "AWS/Lambda"
      threshold   = var.alarms.function_errors
    }
    function-throttles = {
      description = "Invocations are refused: the account's or the function's concurrency is used up."
      dimensions  = local.function_dimensions
      metric      = "Throttles"
      namespace   = "AWS/Lambda"
      threshold   = var.alarms.function_throttles
    }
    table-throttles = {
      description = "Reads of the message are refused: a hot key, or the account's limit."
      dimensions  = { TableName = aws_dynamodb_table.messages.name }
      metric      = "ReadThrottleEvents"
      namespace   = "AWS/DynamoDB"
      threshold   = var.alarms.table_throttles
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_actions       = var.alarms.notify_topic_arns
  alarm_description   = each.value.description
  comparison_operator = "GreaterThanOrEqualToThreshold"
  dimensions          = each.value.dimensions
  evaluation_periods  = 1
  extended_statistic  = try(each.value.percentile, null)
  metric_name         = each.value.metric
  namespace           = each.value.namespace
  ok_actions          = var.alarms.notify_topic_arns
  period              = var.alarms.period_seconds
  statistic           = can(each.value.percentile) ? null : "Sum"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching" # no requests is not an incident
}
