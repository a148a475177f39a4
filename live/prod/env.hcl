locals {
  environment = "prod"
  account_id  = "222222222222"
  region      = "eu-central-1"
  branch      = "main"   # a pull request into it is planned here, a push to it is delivered here
  protected   = true     # true: the welcome unit refuses to be destroyed
  direct_push = "refuse" # a push without a reviewed plan: "plan" it and apply, or "refuse" it

  # Inputs of modules/welcome that differ between environments.
  welcome = {
    alarms             = { p99_latency_ms = 500 }
    api                = { throttling_burst_limit = 500, throttling_rate_limit = 200 }
    function           = { memory_mb = 512 }
    initial_message    = "Welcome!"
    log_retention_days = 90
    table              = { deletion_protection = true }
  }
}
