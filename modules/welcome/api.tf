data "aws_region" "current" {}

resource "aws_cloudwatch_log_group" "api" {
  # checkov:skip=CKV_AWS_158:The key that AWS owns encrypts it; your own is the input kms_key_arn, since it costs money and can be lost.
  # checkov:skip=CKV_AWS_338:How long logs are kept is the input log_retention_days: access logs hold addresses of people, so longer is not safer.
  name              = "/aws/apigateway/${local.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_apigatewayv2_api" "welcome" {
  name          = local.name
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "live" {
  api_id                 = aws_apigatewayv2_api.welcome.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live.invoke_arn
  payload_format_version = "2.0"
}

# ANY and not GET: HEAD, OPTIONS and the 405 with its Allow are the function's answers.
resource "aws_apigatewayv2_route" "welcome" {
  # checkov:skip=CKV_AWS_309:The message is public: everybody may read it.
  api_id    = aws_apigatewayv2_api.welcome.id
  route_key = "ANY /welcome"
  target    = "integrations/${aws_apigatewayv2_integration.live.id}"
}

resource "aws_apigatewayv2_stage" "environment" {
  api_id      = aws_apigatewayv2_api.welcome.id
  name        = var.environment
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      error            = "$context.error.message"
      integrationError = "$context.integrationErrorMessage"
      ip               = "$context.identity.sourceIp"
      latencyMs        = "$context.responseLatency"
      method           = "$context.httpMethod"
      path             = "$context.path"
      protocol         = "$context.protocol"
      requestId        = "$context.requestId"
      responseBytes    = "$context.responseLength"
      status           = "$context.status"
      time             = "$context.requestTime"
      userAgent        = "$context.identity.userAgent"
    })
  }

  default_route_settings {
    detailed_metrics_enabled = true
    throttling_burst_limit   = var.api.throttling_burst_limit
    throttling_rate_limit    = var.api.throttling_rate_limit
  }

  lifecycle {
    # Every auto-deploy makes a new deployment; its id is not configuration.
    ignore_changes = [deployment_id]
  }
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.welcome.function_name
  principal     = "apigateway.amazonaws.com"
  qualifier     = aws_lambda_alias.live.name
  source_arn    = "${aws_apigatewayv2_api.welcome.execution_arn}/${var.environment}/*/welcome"
}

resource "aws_apigatewayv2_domain_name" "custom" {
  for_each = { for domain in var.domain[*] : domain.name => domain }

  domain_name = each.key

  domain_name_configuration {
    certificate_arn = each.value.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "custom" {
  for_each = aws_apigatewayv2_domain_name.custom

  api_id      = aws_apigatewayv2_api.welcome.id
  domain_name = each.value.id
  stage       = aws_apigatewayv2_stage.environment.id
}
