variable "environment" {
  description = "Name of the environment whose resources the roles are for (`welcome-<environment>`)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.environment))
    error_message = "environment is 2 to 16 lower-case letters and digits and starts with a letter: it ends up in the names of roles and GitHub environments."
  }
}

variable "github" {
  description = <<-EOT
    The repository whose workflows may assume the roles, by name and by numeric id: with the ids in the subject, whoever
    registers the name after you gets nothing (`gh api repos/OWNER/REPOSITORY --jq '{owner_id: .owner.id, repository_id: .id}'`).
    `legacy_subject` trusts the form without ids instead: for repositories made before 2026-07-15 and not renamed since.
    `extra_claims` demands more of the token: role (`plan`, `apply` or `release`) → claim → exact value.
  EOT
  type = object({
    owner          = string
    owner_id       = string
    repository     = string
    repository_id  = string
    legacy_subject = optional(bool, false)
    extra_claims   = optional(map(map(string)), {})
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*$", var.github.owner)) && can(regex("^[A-Za-z0-9._-]+$", var.github.repository))
    error_message = "github.owner and github.repository are plain names, without a slash, an @ or a wildcard."
  }
  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.github.owner_id)) && can(regex("^[1-9][0-9]*$", var.github.repository_id))
    error_message = "github.owner_id and github.repository_id are numbers: gh api repos/OWNER/REPOSITORY --jq '{owner_id: .owner.id, repository_id: .id}'."
  }
  validation {
    condition     = alltrue([for role in keys(var.github.extra_claims) : contains(["apply", "plan", "release"], role)])
    error_message = "github.extra_claims names the roles plan, apply and release only."
  }
  validation {
    # A condition on any other claim never matches: AWS STS does not evaluate it. aud and sub are always demanded.
    condition = alltrue(flatten([for claims in values(var.github.extra_claims) : [for claim in keys(claims) : contains([
      "actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id", "workflow",
    ], claim)]]))
    error_message = "github.extra_claims takes the claims that AWS STS evaluates: actor, actor_id, enterprise_id, environment, job_workflow_ref, ref, repository, repository_id, workflow."
  }
  validation {
    condition     = alltrue(flatten([for claims in values(var.github.extra_claims) : [for value in values(claims) : can(regex("^[^*?$]+$", value))]]))
    error_message = "github.extra_claims has exact values: not empty, no wildcards, no policy variables."
  }
}

variable "github_environments" {
  description = "The GitHub environment that each role is for: the reviewers and branches of that environment guard it. Null: E-plan, E and E-release for an environment E."
  type = object({
    apply   = string
    plan    = string
    release = string
  })
  default = null

  validation {
    condition     = alltrue([for name in values(coalesce(var.github_environments, { apply = "a", plan = "b", release = "c" })) : can(regex("^[A-Za-z0-9_-]+$", name))])
    error_message = "github_environments are plain names: letters, digits, - and _. A colon or a wildcard would change what the subject means."
  }
  validation {
    condition     = var.github_environments == null || length(distinct([for name in values(coalesce(var.github_environments, {})) : lower(name)])) == 3
    error_message = "github_environments are three different ones, whatever their case: with one environment for two roles, a job of either gets both."
  }
}

variable "state" {
  description = "Where Terragrunt keeps state: the bucket, the lock table, and the units that the pipeline may apply. `make bootstrap` applies the other two."
  type = object({
    bucket     = string
    lock_table = string
    units      = optional(set(string), ["welcome"])
  })
  nullable = false

  validation {
    condition     = length(var.state.units) > 0 && length(setintersection(var.state.units, ["delivery", "remote_state"])) == 0
    error_message = "state.units never has delivery or remote_state: a pipeline that applies these can give itself any right."
  }
  validation {
    condition     = alltrue([for name in setunion(var.state.units, [var.state.bucket, var.state.lock_table]) : can(regex("^[A-Za-z0-9._-]+$", name))])
    error_message = "state.bucket, state.lock_table and state.units are plain names, without a slash or a wildcard."
  }
}
