resource "aws_dynamodb_table" "messages" {
  # checkov:skip=CKV_AWS_119:The key that DynamoDB owns encrypts it; your own is the input kms_key_arn.
  # checkov:skip=CKV_AWS_28:Recovery is on by default; checkov does not see the default of an optional attribute (it does in the plan).
  name                        = local.name
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.table.deletion_protection
  hash_key                    = "id"

  attribute {
    name = "id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.table.point_in_time_recovery
  }

  server_side_encryption {
    # `enabled` means KMS instead of the key that DynamoDB owns: the table is encrypted either way.
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_dynamodb_table_item" "welcome" {
  table_name = aws_dynamodb_table.messages.name
  hash_key   = aws_dynamodb_table.messages.hash_key
  item = jsonencode({
    id      = { S = local.message_id }
    message = { S = var.initial_message }
  })

  lifecycle {
    # The message is data: `make message` edits it, and no apply puts the first one back.
    ignore_changes = [item]
  }
}
