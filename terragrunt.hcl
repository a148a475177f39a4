# Included by every unit: remote state, provider and tags. The only file that knows about backends and endpoints.

terraform_version_constraint  = ">= 1.11"
terragrunt_version_constraint = ">= 1.1.3, < 2.0"

locals {
  env    = read_terragrunt_config(find_in_parent_folders("env.hcl")).locals
  github = read_terragrunt_config("${get_parent_terragrunt_dir()}/live/github.hcl").locals
  name   = local.env.environment
  unit   = basename(get_terragrunt_dir())

  # Each environment is an account of its own, so one command over all of them needs credentials by environment.
  # `ops env` sets both for the emulators; against AWS set the profile, or nothing in CI, where a job has one role.
  endpoint = get_env("WELCOME_ENDPOINT_${local.name}", get_env("AWS_ENDPOINT_URL", ""))
  profile  = get_env("WELCOME_PROFILE_${local.name}", "")
  emulated = local.endpoint != ""

  # A for, since both branches of a conditional need the same type.
  emulator_backend = { for key, value in {
    endpoints        = { dynamodb = local.endpoint, iam = local.endpoint, s3 = local.endpoint, sts = local.endpoint }
    force_path_style = true
  } : key => value if local.emulated }
  profile_backend = { for key, value in { profile = local.profile } : key => value if value != "" }
}

# A unit is an instance of the module of the same name.
terraform {
  source                   = "${get_parent_terragrunt_dir()}/modules//${local.unit}"
  copy_terraform_lock_file = false # a locally built provider is not in a lock file of the registry's
}

remote_state {
  backend = "s3"

  generate = {
    path      = "backend.tf"
    if_exists = "overwrite_terragrunt"
  }

  config = merge({
    bucket                    = "welcome-tfstate-${local.env.account_id}-${local.env.region}"
    bucket_sse_algorithm      = "AES256"
    dynamodb_table            = "welcome-tfstate-lock"
    encrypt                   = true
    key                       = "${local.name}/${local.unit}/terraform.tfstate"
    region                    = local.env.region
    skip_bucket_accesslogging = true
    # The policy is the remote_state unit's: a later bootstrap would put Terragrunt's back.
    skip_bucket_enforced_tls = true
    skip_bucket_root_access  = true
  }, local.emulator_backend, local.profile_backend)
}

generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOT
    provider "aws" {
      allowed_account_ids = ["${local.env.account_id}"]
      profile             = ${local.profile == "" ? "null" : jsonencode(local.profile)}
      region              = "${local.env.region}"
      s3_use_path_style   = ${local.emulated}

      default_tags {
        tags = {
          Environment = "${local.name}"
          ManagedBy   = "terragrunt"
          Repository  = "${local.github.owner}/${local.github.repository}"
          Service     = "welcome"
          Unit        = "${local.unit}"
        }
      }
    }
  EOT
}
