output "api_id" {
  description = "Id of the HTTP API."
  value       = aws_apigatewayv2_api.welcome.id
}

output "domain_target" {
  description = "Where the DNS record of the custom domain points: host name and hosted zone id. Null without one."
  value = one([
    for domain in aws_apigatewayv2_domain_name.custom : {
      name    = domain.domain_name_configuration[0].target_domain_name
      zone_id = domain.domain_name_configuration[0].hosted_zone_id
    }
  ])
}

output "function_arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.welcome.arn
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.welcome.function_name
}

output "live_alias_arn" {
  description = "ARN of the alias `live`, the only way in."
  value       = aws_lambda_alias.live.arn
}

output "log_group_names" {
  description = "Log groups of the function and of the API."
  value = {
    api      = aws_cloudwatch_log_group.api.name
    function = aws_cloudwatch_log_group.function.name
  }
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.function.arn
}

output "table_arn" {
  description = "ARN of the message table."
  value       = aws_dynamodb_table.messages.arn
}

output "table_name" {
  description = "Name of the message table."
  value       = aws_dynamodb_table.messages.name
}

output "url" {
  description = "URL of the service."
  value       = "https://${aws_apigatewayv2_api.welcome.id}.execute-api.${data.aws_region.current.region}.amazonaws.com/${aws_apigatewayv2_stage.environment.name}/welcome"
}
