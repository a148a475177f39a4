plugin "terraform" {
  enabled = true
  preset  = "all"
}

plugin "aws" {
  enabled = true
}

# Files are named by entity (table.tf, function.tf …), so there is no main.tf.
rule "terraform_standard_module_structure" {
  enabled = false
}
