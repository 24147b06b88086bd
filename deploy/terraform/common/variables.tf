# What every node module takes; linked into modules and examples, so it is checked in both.

variable "service" {
  description = "Name of the service, as in the client's policy. A label of what is made, no more."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.service))
    error_message = "service: write a name like chat.example: a-z, 0-9, dots and hyphens."
  }
}

variable "name" {
  description = "First part of the name of everything that is made."
  type        = string
  default     = "openpcc"
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.name))
    error_message = "name: at most 20 of a-z, 0-9 and hyphen, beginning with a letter and not ending with a hyphen."
  }
}

variable "node_count" {
  description = "Nodes to make."
  type        = number
  default     = 1
  validation {
    condition     = floor(var.node_count) == var.node_count && var.node_count >= 1 && var.node_count <= 64
    error_message = "node_count: write a whole number from 1 to 64."
  }
}

variable "allowed_gateway_cidrs" {
  description = "IPv4 networks of gateways and of the publisher: they reach port 8080."
  type        = list(string)
  validation {
    condition     = length(var.allowed_gateway_cidrs) > 0
    error_message = "allowed_gateway_cidrs: name at least one network; a node that nobody reaches serves nobody."
  }
  validation {
    condition     = alltrue([for one in var.allowed_gateway_cidrs : try(cidrnetmask(one) != "" && cidrsubnet(one, 0, 0) == one, false)])
    error_message = "allowed_gateway_cidrs: write IPv4 networks like 10.0.1.0/24, without bits behind the prefix."
  }
  validation {
    condition     = var.allow_any_gateway || alltrue([for one in var.allowed_gateway_cidrs : try(tonumber(split("/", one)[1]) >= 8, true)])
    error_message = "allowed_gateway_cidrs: wider than /8; name the gateways' networks, or say allow_any_gateway = true."
  }
}

variable "monitoring_cidrs" {
  description = "IPv4 networks that read health and counters on port 8081."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for one in var.monitoring_cidrs : try(cidrnetmask(one) != "" && cidrsubnet(one, 0, 0) == one, false)])
    error_message = "monitoring_cidrs: write IPv4 networks like 10.0.1.0/24, without bits behind the prefix."
  }
  validation {
    condition     = var.allow_any_gateway || alltrue([for one in var.monitoring_cidrs : try(tonumber(split("/", one)[1]) >= 8, true)])
    error_message = "monitoring_cidrs: wider than /8; name the networks of monitoring, or say allow_any_gateway = true."
  }
}

variable "allow_any_gateway" {
  description = "Takes networks wider than /8 in both lists: whoever is there may speak to nodes. What nodes answer is sealed for clients either way."
  type        = bool
  default     = false
}

variable "host_settings" {
  description = "Text of host.toml (docs/formats.md, 3.4). Quoted in the node's evidence; holds no secret."
  type        = string
  validation {
    condition     = length(base64encode(var.host_settings)) <= 87384
    error_message = "host_settings: at most 65536 bytes fit on the host's disk."
  }
  validation {
    condition     = can(regex("(?m)^listen = \"0\\.0\\.0\\.0:8080\"$", var.host_settings))
    error_message = "host_settings: write listen = \"0.0.0.0:8080\"; the image's firewall opens no other port for gateways."
  }
  validation {
    condition     = can(regex("(?m)^control = \"0\\.0\\.0\\.0:8081\"$", var.host_settings))
    error_message = "host_settings: write control = \"0.0.0.0:8081\"; the image's firewall opens no other port for health."
  }
}

variable "release" {
  description = "Leaf hash of the release's log entry, which the nodes quote."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.release))
    error_message = "release: write 64 hex digits, lower case, as `openpcc-log publish` prints them."
  }
}

variable "image_sha256" {
  description = "SHA-256 of node.raw: what the release names as its image."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.image_sha256))
    error_message = "image_sha256: write 64 hex digits, lower case, of the SHA-256 of node.raw."
  }
}

variable "disks" {
  description = "Folder that `python -m deploy.terraform.disks` made for this cloud, release, image and settings."
  type        = string
}
