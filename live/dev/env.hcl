locals {
  environment = "dev"
  account_id  = "111111111111"
  region      = "eu-central-1"
}
