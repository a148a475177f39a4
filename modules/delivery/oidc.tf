locals {
  audience = "sts.amazonaws.com"
  issuer   = "token.actions.githubusercontent.com"

  github_environments = coalesce(var.github_environments, {
    apply   = var.environment
    plan    = "${var.environment}-plan"
    release = "${var.environment}-release"
  })

  repository = (
    var.github.legacy_subject
    ? "${var.github.owner}/${var.github.repository}"
    : "${var.github.owner}@${var.github.owner_id}/${var.github.repository}@${var.github.repository_id}"
  )
  subjects = { for role, name in local.github_environments : role => "repo:${local.repository}:environment:${name}" }
}

# An account has one. `make bootstrap` adopts a provider that is there already (the unit has the import for it).
resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://${local.issuer}"
  client_id_list = [local.audience]

  lifecycle {
    # Other repositories of the account may use it, with other audiences and tags; each role demands its own audience.
    ignore_changes = [client_id_list, tags, tags_all]
  }
}

data "aws_iam_policy_document" "trust" {
  # checkov:skip=CKV_AWS_358:it knows no @ in a subject, so it refuses the immutable form; CKV_WELCOME_1 checks instead
  for_each = local.subjects

  statement {
    sid     = "JobsOfOneGitHubEnvironment"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.oidc_provider_arn] # by name, so that a first plan shows, and scanners see, the whole trust
    }

    # StringEquals fails when a claim is absent, which ForAllValues would not.
    dynamic "condition" {
      for_each = merge(lookup(var.github.extra_claims, each.key, {}), {
        aud = local.audience
        sub = each.value
      })

      content {
        test     = "StringEquals"
        variable = "${local.issuer}:${condition.key}"
        values   = [condition.value]
      }
    }
  }
}
