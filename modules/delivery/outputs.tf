output "boundary_arn" {
  description = "ARN of the permissions boundary that the function's role must have."
  value       = aws_iam_policy.boundary.arn
}

output "oidc_provider_arn" {
  description = "ARN of the account's OIDC provider for GitHub."
  value       = aws_iam_openid_connect_provider.github.arn
}

output "role_arns" {
  description = "ARNs of the roles: plan, apply, release."
  value       = { for role, each in aws_iam_role.pipeline : role => each.arn }
}

output "subjects" {
  description = "The token subject that each role trusts: compare it with the one in a refused job's log."
  value       = local.subjects
}
