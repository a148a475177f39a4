# Given the module with a mocked provider, when it is planned, then the bucket and the table are hardened.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111111111111" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  bucket     = "welcome-tfstate-111111111111-eu-central-1"
  lock_table = "welcome-tfstate-lock"
}

run "bucket_and_table_are_hardened" {
  command = plan # what is protected from destruction cannot be cleaned up after an apply

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "Without versions a broken state cannot be restored."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.state.block_public_acls,
      aws_s3_bucket_public_access_block.state.block_public_policy,
      aws_s3_bucket_public_access_block.state.ignore_public_acls,
      aws_s3_bucket_public_access_block.state.restrict_public_buckets,
    ])
    error_message = "The state bucket can be made public."
  }
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.state.rule : rule.id] == ["old-versions", "plan-records"]
    error_message = "Old states or plan records are kept for ever."
  }
  assert {
    condition     = aws_dynamodb_table.lock.deletion_protection_enabled && aws_dynamodb_table.lock.point_in_time_recovery[0].enabled
    error_message = "A lost lock table stops every delivery: it is not protected."
  }
}

run "bad_input_is_refused" {
  command = plan

  variables {
    bucket           = "some-bucket"
    old_versions     = { days = 1 }
    plan_record_days = 0
  }

  expect_failures = [var.bucket, var.old_versions, var.plan_record_days]
}
