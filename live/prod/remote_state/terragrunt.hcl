include "root" {
  path   = "${get_repo_root()}/terragrunt.hcl"
  expose = true
}

inputs = {
  bucket     = include.root.remote_state.config.bucket
  lock_table = include.root.remote_state.config.dynamodb_table
}

# The bootstrap made the table, and an import belongs to a root module: this unit, not the module it uses.
generate "adopt" {
  path      = "adopt.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOT
    import {
      id = var.lock_table
      to = aws_dynamodb_table.lock
    }
  EOT
}

prevent_destroy = true # every other unit's state is in it
