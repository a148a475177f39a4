locals {
  environment = "dev"
  account_id  = "111111111111"
  region      = "eu-central-1"
  branch      = "dev"  # a pull request into it is planned here, a push to it is delivered here
  protected   = false  # true: the welcome unit refuses to be destroyed
  direct_push = "plan" # a push without a reviewed plan: "plan" it and apply, or "refuse" it

  # Inputs of modules/welcome that differ between environments.
  welcome = {
    function           = { memory_mb = 256 }
    initial_message    = "Welcome to dev!"
    log_retention_days = 7
    table              = { deletion_protection = false }
  }
}
