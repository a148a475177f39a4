# Given the module with a mocked provider, when it is planned or applied, then the trust is exact and the input is checked.

mock_provider "aws" {
  # OpenTofu invents values that the provider's own validation of ARNs and documents refuses.
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111111111111:policy/mock" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111111111111:role/mock" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111111111111" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
}

variables {
  environment = "test"
  github = {
    owner         = "octo-org"
    owner_id      = "123456"
    repository    = "app"
    repository_id = "456789"
  }
  state = {
    bucket     = "welcome-tfstate-111111111111-eu-central-1"
    lock_table = "welcome-tfstate-lock"
  }
}

run "each_role_trusts_the_immutable_subject_of_one_environment" {
  assert {
    condition = output.subjects == {
      apply   = "repo:octo-org@123456/app@456789:environment:test"
      plan    = "repo:octo-org@123456/app@456789:environment:test-plan"
      release = "repo:octo-org@123456/app@456789:environment:test-release"
    }
    error_message = "The subjects are not repo:OWNER@ID/REPOSITORY@ID:environment:NAME."
  }
  assert {
    condition = alltrue(flatten([for trust in values(data.aws_iam_policy_document.trust) : [
      for condition in trust.statement[0].condition : condition.test == "StringEquals" && length(condition.values) == 1
    ]]))
    error_message = "A trust policy matches otherwise than by StringEquals on one value."
  }
  assert {
    condition = alltrue([for role, trust in data.aws_iam_policy_document.trust : { for condition in trust.statement[0].condition : condition.variable => one(condition.values) } == {
      "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
      "token.actions.githubusercontent.com:sub" = output.subjects[role]
    }])
    error_message = "A trust policy demands something else than the audience and the subject."
  }
}

run "roles_are_named_short_lived_and_bounded" {
  assert {
    condition     = toset([for role in values(aws_iam_role.pipeline) : role.name]) == toset(["welcome-test-plan", "welcome-test-apply", "welcome-test-release"])
    error_message = "A role has a name that workflows do not know."
  }
  assert {
    condition     = alltrue([for role in values(aws_iam_role.pipeline) : role.max_session_duration == 3600 && role.permissions_boundary == aws_iam_policy.pipeline_boundary.arn])
    error_message = "A role has long sessions or no boundary."
  }
  assert {
    condition     = aws_iam_policy.boundary.name == "welcome-test-boundary"
    error_message = "The function's boundary has another name than the apply role demands."
  }
  assert {
    condition     = alltrue([for each in values(aws_iam_role_policy_attachments_exclusive.pipeline) : length(each.policy_arns) == 0])
    error_message = "A policy can be attached by hand unnoticed."
  }
}

run "no_statement_is_about_everything_unless_aws_has_no_narrower_resource" {
  assert {
    condition = alltrue([for statement in concat(
      data.aws_iam_policy_document.apply.statement,
      data.aws_iam_policy_document.plan.statement,
      data.aws_iam_policy_document.read_state.statement,
      data.aws_iam_policy_document.refresh.statement,
      data.aws_iam_policy_document.release.statement,
      data.aws_iam_policy_document.write_state.statement,
    ) : !contains(statement.resources, "*") || contains(["OnAwsOnlyDeliverAccessLogs", "WatchErrorsDuringARelease"], statement.sid)])
    error_message = "A statement with resource * is not one of those in docs/traps.md."
  }
  assert {
    condition = alltrue(flatten([for statement in concat(
      data.aws_iam_policy_document.apply.statement,
      data.aws_iam_policy_document.plan.statement,
      data.aws_iam_policy_document.release.statement,
    ) : [for action in statement.actions : !strcontains(action, "*")]]))
    error_message = "A role's policy has an action with a wildcard."
  }
}

run "the_legacy_subject_needs_the_setting_that_says_so" {
  variables {
    github = {
      owner          = "octo-org"
      owner_id       = "123456"
      repository     = "app"
      repository_id  = "456789"
      legacy_subject = true
    }
  }

  assert {
    condition     = output.subjects.apply == "repo:octo-org/app:environment:test"
    error_message = "legacy_subject does not give the form without ids."
  }
}

run "extra_claims_are_demanded_of_their_role_only" {
  variables {
    github = {
      owner         = "octo-org"
      owner_id      = "123456"
      repository    = "app"
      repository_id = "456789"
      extra_claims  = { apply = { ref = "refs/heads/main", repository_id = "456789" } }
    }
  }

  assert {
    condition     = length(data.aws_iam_policy_document.trust["apply"].statement[0].condition) == 4
    error_message = "The apply role does not demand both claims besides audience and subject."
  }
  assert {
    condition     = length(data.aws_iam_policy_document.trust["plan"].statement[0].condition) == 2
    error_message = "A claim that apply demands is demanded of plan."
  }
}

run "other_github_environments_can_be_named" {
  variables {
    github_environments = { apply = "live", plan = "preview", release = "code" }
  }

  assert {
    condition     = output.subjects.plan == "repo:octo-org@123456/app@456789:environment:preview"
    error_message = "github_environments does not reach the subject."
  }
}

run "a_wildcard_in_the_repository_is_refused" {
  command = plan

  variables {
    github = { owner = "octo-org", owner_id = "123456", repository = "*", repository_id = "456789" }
  }

  expect_failures = [var.github]
}

run "a_slash_in_the_owner_is_refused" {
  command = plan

  variables {
    github = { owner = "octo-org/app", owner_id = "123456", repository = "app", repository_id = "456789" }
  }

  expect_failures = [var.github]
}

run "an_empty_id_is_refused" {
  command = plan

  variables {
    github = { owner = "octo-org", owner_id = "", repository = "app", repository_id = "456789" }
  }

  expect_failures = [var.github]
}

run "an_id_that_is_no_number_is_refused" {
  command = plan

  variables {
    github = { owner = "octo-org", owner_id = "123456", repository = "app", repository_id = "*" }
  }

  expect_failures = [var.github]
}

run "a_claim_that_sts_does_not_evaluate_is_refused" {
  command = plan

  variables {
    github = {
      owner         = "octo-org"
      owner_id      = "123456"
      repository    = "app"
      repository_id = "456789"
      extra_claims  = { apply = { event_name = "push" } }
    }
  }

  expect_failures = [var.github]
}

run "a_wildcard_in_a_claim_is_refused" {
  command = plan

  variables {
    github = {
      owner         = "octo-org"
      owner_id      = "123456"
      repository    = "app"
      repository_id = "456789"
      extra_claims  = { apply = { ref = "refs/heads/*" } }
    }
  }

  expect_failures = [var.github]
}

run "one_environment_for_two_roles_is_refused" {
  command = plan

  variables {
    github_environments = { apply = "test", plan = "Test", release = "test-release" }
  }

  expect_failures = [var.github_environments]
}

run "a_wildcard_in_an_environment_is_refused" {
  command = plan

  variables {
    github_environments = { apply = "test", plan = "*", release = "test-release" }
  }

  expect_failures = [var.github_environments]
}

run "a_pipeline_that_applies_its_own_roles_is_refused" {
  command = plan

  variables {
    state = { bucket = "b", lock_table = "t", units = ["welcome", "delivery"] }
  }

  expect_failures = [var.state]
}
