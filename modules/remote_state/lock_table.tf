# Bootstrapped by Terragrunt, then adopted (the unit holds the import block): a lost lock table stops every delivery, so it
# gets what a bootstrap leaves out.
resource "aws_dynamodb_table" "lock" {
  # checkov:skip=CKV_AWS_119:It holds digests and lock owners, no state; a customer managed key would be one more thing a delivery can fail on.
  name                        = var.lock_table
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = true
  hash_key                    = "LockID"

  attribute {
    name = "LockID"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  lifecycle {
    prevent_destroy = true # it holds the digests of every state, and the locks of runs under way
  }
}
