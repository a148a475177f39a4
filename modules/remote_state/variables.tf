variable "bucket" {
  description = "Name of the state bucket, as Terragrunt bootstrapped it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^welcome-tfstate-[0-9]{12}-[a-z0-9-]+$", var.bucket))
    error_message = "bucket is welcome-tfstate-ACCOUNT-REGION: the roles of the delivery module are scoped to that name."
  }
}

variable "lock_table" {
  description = "Name of the lock table, as Terragrunt bootstrapped it."
  type        = string
  nullable    = false
}

variable "old_versions" {
  description = "How long a replaced or deleted state is kept: `days`, and at least the last `newest` whatever their age."
  type = object({
    days   = optional(number, 90)
    newest = optional(number, 20)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.old_versions.days >= 7 && var.old_versions.newest >= 1
    error_message = "old_versions keeps at least 7 days and 1 version: this is what a broken state is restored from."
  }
}

variable "plan_record_days" {
  description = "How long plan records are kept: a pull request older than that is planned again."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.plan_record_days >= 1
    error_message = "plan_record_days is at least 1."
  }
}
