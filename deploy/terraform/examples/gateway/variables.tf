variable "project" {
  description = "Id of the project."
  type        = string
}

variable "region" {
  description = "Region of the gateways: that of the nodes."
  type        = string
  default     = "us-central1"
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

variable "folder" {
  description = "operator/gateway of `openpcc init`: gateway.toml is read from it, and nothing of its secrets."
  type        = string
}

variable "container_image" {
  description = "Image of the servers, NAME@sha256:DIGEST."
  type        = string
}

variable "secrets" {
  description = "Each file below secrets/ and tls/ to its version in Secret Manager: projects/P/secrets/S/versions/N."
  type        = map(string)
}

variable "gateway_count" {
  description = "Gateways. More than one: replay (or spent, with tokens) = \"rediss://…\" in gateway.toml."
  type        = number
  default     = 3
  validation {
    condition     = floor(var.gateway_count) == var.gateway_count && var.gateway_count >= 1 && var.gateway_count <= 50
    error_message = "gateway_count: write a whole number from 1 to 50."
  }
  validation {
    condition     = var.gateway_count == 1 || can(regex("(?m)^(spent|replay) = \"rediss?://", try(file("${var.folder}/gateway.toml"), "")))
    error_message = "gateway_count: several gateways need a store they share; openpcc init --store rediss://HOST writes it into gateway.toml."
  }
}

variable "machine_type" {
  description = "Ordinary machines: gateways see sealed requests alone."
  type        = string
  default     = "n2-standard-4"
}

variable "boot_image" {
  description = "System with cloud-init, systemd and podman 4 or newer."
  type        = string
  default     = "projects/debian-cloud/global/images/family/debian-13"
}

variable "subnet_cidr" {
  description = "IPv4 network of the gateways."
  type        = string
  default     = "10.90.0.0/24"
  validation {
    condition     = try(cidrnetmask(var.subnet_cidr) != "" && cidrsubnet(var.subnet_cidr, 0, 0) == var.subnet_cidr, false)
    error_message = "subnet_cidr: write an IPv4 network like 10.90.0.0/24."
  }
}

variable "relay_cidrs" {
  description = "IPv4 networks that reach the gateways: the load balancer's, or relays'."
  type        = list(string)
}

variable "monitoring_cidrs" {
  description = "IPv4 networks that read health and counters."
  type        = list(string)
  default     = []
}
