include "root" {
  path   = "${get_repo_root()}/terragrunt.hcl"
  expose = true
}

dependency "delivery" {
  config_path = "../delivery"

  # For a first plan. `ops plan` never saves one: it defers a unit whose dependency is not applied.
  mock_outputs                            = { boundary_arn = "arn:aws:iam::000000000000:policy/mock-not-applied-yet" }
  mock_outputs_allowed_terraform_commands = ["init", "plan", "validate"]
}

inputs = merge(include.root.locals.env.welcome, {
  environment              = include.root.locals.name
  permissions_boundary_arn = dependency.delivery.outputs.boundary_arn
})

prevent_destroy = include.root.locals.env.protected
