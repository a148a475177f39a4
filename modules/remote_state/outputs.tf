output "bucket_arn" {
  description = "ARN of the state bucket."
  value       = local.bucket_arn
}

output "lock_table_arn" {
  description = "ARN of the lock table."
  value       = aws_dynamodb_table.lock.arn
}
