# The repository whose workflows may assume the roles of every environment.
# The numeric ids are part of the OIDC subject, so that a deleted and re-registered name gets nothing:
#   gh api repos/OWNER/REPOSITORY --jq '{owner_id: .owner.id, repository_id: .id}'
locals {
  owner         = "example-org"
  owner_id      = "1000001"
  repository    = "welcome-service"
  repository_id = "2000002"
}
