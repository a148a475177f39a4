locals {
  policies = {
    apply   = data.aws_iam_policy_document.apply.json
    plan    = data.aws_iam_policy_document.plan.json
    release = data.aws_iam_policy_document.release.json
  }
}

resource "aws_iam_role" "pipeline" {
  # checkov:skip=CKV_AWS_393:it knows no @ in a subject, so it refuses the immutable form; CKV_WELCOME_1 checks instead

  for_each = local.subjects

  name                 = "${local.name}-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  description          = "For jobs of ${each.value}"
  max_session_duration = 3600 # the shortest that IAM accepts; the workflows ask for less
  permissions_boundary = aws_iam_policy.pipeline_boundary.arn

  depends_on = [aws_iam_openid_connect_provider.github]
}

# The keys are those of the roles throughout, not the roles themselves: an import knows only what is known beforehand.
resource "aws_iam_role_policy" "pipeline" {
  for_each = local.subjects

  name   = each.key
  role   = aws_iam_role.pipeline[each.key].name
  policy = local.policies[each.key]
}

# A policy that somebody adds by hand shows as drift of this unit, instead of staying unnoticed.
resource "aws_iam_role_policies_exclusive" "pipeline" {
  for_each = local.subjects

  role_name    = aws_iam_role.pipeline[each.key].name
  policy_names = [aws_iam_role_policy.pipeline[each.key].name]
}

resource "aws_iam_role_policy_attachments_exclusive" "pipeline" {
  for_each = local.subjects

  role_name   = aws_iam_role.pipeline[each.key].name
  policy_arns = []
}
