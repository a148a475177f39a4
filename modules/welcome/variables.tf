variable "alarms" {
  description = <<-EOT
    Thresholds of the alarms, each over `period_seconds`, and the SNS topics that are told when one fires or clears.
    Errors, throttles and 5xx answers are counts; `p99_latency_ms` is what the gateway measures.
  EOT
  type = object({
    api_5xx            = optional(number, 1)
    function_errors    = optional(number, 1)
    function_throttles = optional(number, 1)
    notify_topic_arns  = optional(list(string), [])
    p99_latency_ms     = optional(number, 1000)
    period_seconds     = optional(number, 300)
    table_throttles    = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.period_seconds >= 60 && var.alarms.period_seconds % 60 == 0
    error_message = "alarms.period_seconds is a multiple of 60: CloudWatch keeps standard metrics by the minute."
  }
  validation {
    condition     = alltrue([for arn in var.alarms.notify_topic_arns : startswith(arn, "arn:")])
    error_message = "alarms.notify_topic_arns takes ARNs of SNS topics, not their names."
  }
}

variable "api" {
  description = <<-EOT
    Limits of the stage: steady requests a second and the burst above them. Both have a default because an HTTP API
    without them can spend the whole account's limit, and one set to zero answers every request with 429.
  EOT
  type = object({
    throttling_burst_limit = optional(number, 100)
    throttling_rate_limit  = optional(number, 50)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.api.throttling_burst_limit >= 1 && var.api.throttling_rate_limit >= 1
    error_message = "api.throttling_burst_limit and api.throttling_rate_limit are at least 1: with 0 every request is answered with 429."
  }
}

variable "domain" {
  description = "A custom domain: its name and the ARN of its certificate in this region. Null: the URL of the API only."
  type = object({
    certificate_arn = string
    name            = string
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^[a-z0-9.-]+\\.[a-z]{2,}$", var.domain.name))
    error_message = "domain.name is a lower-case host name such as welcome.example.org, without a scheme or a path."
  }
}

variable "environment" {
  description = "Name of the environment: stage of the API, and the end of every name (`welcome-<environment>`)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.environment))
    error_message = "environment is 2 to 16 lower-case letters and digits and starts with a letter: it ends up in names, URLs and GitHub environments."
  }
}

variable "function" {
  description = <<-EOT
    The function's settings. They reach users with the next release, as code does, never by an apply alone.
    `architecture` is that of the initial package: afterwards it belongs to the release, see docs/traps.md.
    `snap_start` applies to published versions; it pays only for initialisations far above 150 ms.
    `cache_ttl_seconds` is how long a message may be served from memory; 0 reads the table on every request.
  EOT
  type = object({
    architecture         = optional(string, "arm64")
    cache_ttl_seconds    = optional(number, 5)
    memory_mb            = optional(number, 256)
    reserved_concurrency = optional(number, -1)
    runtime              = optional(string, "python3.13")
    snap_start           = optional(bool, false)
    timeout_seconds      = optional(number, 5)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.function.architecture)
    error_message = "function.architecture is arm64 or x86_64."
  }
  validation {
    condition     = startswith(var.function.runtime, "python3.")
    error_message = "function.runtime is a Python runtime such as python3.13."
  }
  validation {
    condition     = var.function.memory_mb >= 128 && var.function.memory_mb <= 10240
    error_message = "function.memory_mb is 128 to 10240."
  }
  validation {
    condition     = var.function.timeout_seconds >= 3 && var.function.timeout_seconds <= 29
    error_message = "function.timeout_seconds is 3 to 29: the store's own timeouts need 3, the gateway gives up at 30."
  }
  validation {
    condition     = var.function.cache_ttl_seconds >= 0
    error_message = "function.cache_ttl_seconds is 0 (no cache) or more."
  }
}

variable "initial_message" {
  description = "The message the table starts with. Changing it later changes nothing: `make message` edits messages."
  type        = string
  default     = "Welcome!"
  nullable    = false

  validation {
    condition     = length(var.initial_message) > 0
    error_message = "initial_message is not empty: without a message the service answers 404."
  }
}

variable "kms_key_arn" {
  description = "A customer managed key for the table and the logs. Null: the key that AWS owns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), not an alias."
  }
}

variable "log_retention_days" {
  description = "How long the function's and the API's logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 or more."
  }
}

variable "permissions_boundary_arn" {
  description = "The permissions boundary of the function's role (output `boundary_arn` of the delivery module). Null: none."
  type        = string
  default     = null
}

variable "table" {
  description = "Protection of the message table. Point-in-time recovery keeps 35 days."
  type = object({
    deletion_protection    = optional(bool, true)
    point_in_time_recovery = optional(bool, true)
  })
  default  = {}
  nullable = false
}
