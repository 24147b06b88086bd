variable "role" {
  description = "What the machine runs: gateway or relay. Roles with state belong on a machine with a backup."
  type        = string
  validation {
    condition     = contains(["gateway", "relay"], var.role)
    error_message = "role: write gateway or relay."
  }
}

variable "container_image" {
  description = "Image of the servers, with its digest."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$", var.container_image))
    error_message = "container_image: write NAME@sha256: and 64 hex digits; a tag may change under you."
  }
}

variable "config" {
  description = "Text of gateway.toml or relay.toml. It becomes user data, which whoever may see the machine may read; secrets come by path."
  type        = string
  validation {
    condition     = can(regex(format("(?m)^listen = \"0\\.0\\.0\\.0:%s\"$", var.role == "relay" ? "8000" : "8001"), var.config))
    error_message = "config: write listen = \"0.0.0.0:8001\" for a gateway, \"0.0.0.0:8000\" for a relay."
  }
  validation {
    condition     = can(regex(format("(?m)^control = \"(127\\.0\\.0\\.1|0\\.0\\.0\\.0):%s\"$", var.role == "relay" ? "9000" : "9001"), var.config))
    error_message = "config: write control = \"127.0.0.1:9001\" for a gateway, \"127.0.0.1:9000\" for a relay; 0.0.0.0 only where a firewall closes that port to all but your monitoring."
  }
}

variable "files" {
  description = "Further files beside the configuration that are no secret: name to text."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.files) : can(regex("^[a-z0-9][a-z0-9.-]{0,62}$", name))])
    error_message = "files: names are of a-z, 0-9, dot and hyphen."
  }
  validation {
    condition     = alltrue([for text in values(var.files) : !strcontains(text, "PRIVATE KEY")])
    error_message = "files: a private key is a secret; name it in secrets."
  }
}

variable "secrets" {
  description = "Every file below secrets/ and tls/ that the configuration names, to where it is kept. gcp: projects/P/secrets/S/versions/N; azure: https://V.vault.azure.net/secrets/S/VERSION, in base64; files: leave the place empty."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^(secrets|tls)/[a-z0-9][a-z0-9.-]{0,62}$", name))])
    error_message = "secrets: write names like secrets/ohttp-keys.json and tls/tls.key."
  }
  validation {
    condition     = length(setsubtract(flatten(regexall("\"((?:secrets|tls)/[^\"]*)\"", var.config)), keys(var.secrets))) == 0
    error_message = "secrets: the configuration names files below secrets/ or tls/ that are not in it."
  }
  validation {
    condition = alltrue([for place in values(var.secrets) : can(regex({
      gcp   = "^projects/[a-z0-9-]+/secrets/[A-Za-z0-9_-]+/versions/[0-9]+$"
      azure = "^https://[a-z0-9-]+\\.vault\\.azure\\.net/secrets/[A-Za-z0-9-]+/[0-9a-f]{32}$"
      files = "^$"
    }[var.secrets_from], place))])
    error_message = "secrets: write the place as secrets_from has it, with the version's number; never the secret itself."
  }
}

variable "secrets_from" {
  description = "gcp: Secret Manager; azure: Key Vault; files: somebody puts them below /run/openpcc, and the role starts when all are there."
  type        = string
  default     = "files"
  validation {
    condition     = contains(["gcp", "azure", "files"], var.secrets_from)
    error_message = "secrets_from: write gcp, azure or files."
  }
}

variable "stop_seconds" {
  description = "Seconds until the role is killed after it was asked to stop: notice and drain of its configuration, and some more."
  type        = number
  default     = 360
  validation {
    condition     = floor(var.stop_seconds) == var.stop_seconds && var.stop_seconds >= 10 && var.stop_seconds <= 3700
    error_message = "stop_seconds: write a whole number from 10 to 3700."
  }
}
