include "root" {
  path   = "${get_repo_root()}/terragrunt.hcl"
  expose = true
}

terraform {
  source                   = "${get_repo_root()}/modules//remote_state"
  copy_terraform_lock_file = false
}

inputs = {
  bucket     = include.root.remote_state.config.bucket
  lock_table = include.root.remote_state.config.dynamodb_table
}

prevent_destroy = true # every other unit's state is in it
