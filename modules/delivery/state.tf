# Terragrunt's S3 backend with DynamoDB locks: a lock item `BUCKET/KEY` and a digest item `BUCKET/KEY-md5` a state.

data "aws_iam_policy_document" "read_state" {
  statement {
    sid       = "ReadOwnStatesAndDeliverysOutputs"
    actions   = ["s3:GetObject"]
    resources = [for key in local.readable_states : "${local.bucket_arn}/${key}"]
  }

  statement {
    # Without it S3 answers 403 instead of 404 for the state that a first apply looks for. Keys, not contents.
    sid       = "FindStatesAndWorkspaces"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "ReadOwnLocksAndDigests"
    actions   = ["dynamodb:GetItem"]
    resources = [local.lock_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values = concat(
        [for key in local.own_states : "${var.state.bucket}/${key}"],
        [for key in local.readable_states : "${var.state.bucket}/${key}-md5"],
      )
    }
    # ForAllValues also holds for a request that names no key, such as a Scan.
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  statement {
    # Not the digests: a false one would stop every later run.
    sid       = "TakeAndReleaseOwnLocks"
    actions   = ["dynamodb:DeleteItem", "dynamodb:PutItem"]
    resources = [local.lock_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [for key in local.own_states : "${var.state.bucket}/${key}"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
}

data "aws_iam_policy_document" "write_state" {
  statement {
    # No DeleteObject: a destroyed unit leaves an empty state, and old versions are what a broken one is restored from.
    sid       = "WriteOwnStates"
    actions   = ["s3:PutObject"]
    resources = [for key in local.own_states : "${local.bucket_arn}/${key}"]
  }

  statement {
    sid       = "WriteDigestsOfOwnStates"
    actions   = ["dynamodb:PutItem"]
    resources = [local.lock_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [for key in local.own_states : "${var.state.bucket}/${key}-md5"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
}
