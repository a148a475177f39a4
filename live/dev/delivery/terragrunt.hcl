include "root" {
  path   = "${get_repo_root()}/terragrunt.hcl"
  expose = true
}

inputs = {
  environment = include.root.locals.name
  github      = include.root.locals.github
  state = {
    bucket     = include.root.remote_state.config.bucket
    lock_table = include.root.remote_state.config.dynamodb_table
  }
}

prevent_destroy = true # without its roles nothing is delivered
