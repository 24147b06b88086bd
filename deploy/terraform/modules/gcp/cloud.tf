# What is Google's own.

variable "project" {
  description = "Id of the project; the bucket's name begins with it."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: write the project's id, 6 to 30 of a-z, 0-9 and hyphen."
  }
}

variable "region" {
  description = "Region of network, addresses and images."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]{1,2}$", var.region))
    error_message = "region: write one like us-central1."
  }
}

variable "zone" {
  description = "Zone of the nodes; it has to offer the machine type with TDX."
  type        = string
  validation {
    condition     = startswith(var.zone, "${var.region}-")
    error_message = "zone: it has to lie in var.region, like us-central1-a in us-central1."
  }
}

variable "machine_type" {
  description = "a3-highgpu-1g has one H100; c3-standard-N has none. Another size is another measurement, so another release."
  type        = string
  default     = "a3-highgpu-1g"
  validation {
    condition     = can(regex("^(a3-highgpu-1g|c3-standard-(4|8|22|44|88|176))$", var.machine_type))
    error_message = "machine_type: with TDX there are a3-highgpu-1g and c3-standard-4, 8, 22, 44, 88, 176."
  }
}

variable "provisioning" {
  description = "SPOT, FLEX_START or STANDARD. A3 with TDX is to be had as the first two."
  type        = string
  default     = "SPOT"
  validation {
    condition     = contains(["SPOT", "FLEX_START", "STANDARD"], var.provisioning)
    error_message = "provisioning: write SPOT, FLEX_START or STANDARD."
  }
}

variable "run_hours" {
  description = "Hours that a FLEX_START machine may run; Google ends it then."
  type        = number
  default     = 168
  validation {
    condition     = floor(var.run_hours) == var.run_hours && var.run_hours >= 1 && var.run_hours <= 168
    error_message = "run_hours: write a whole number from 1 to 168."
  }
}

variable "disk_type" {
  description = "Type of both disks."
  type        = string
  default     = "pd-balanced"
  validation {
    condition     = contains(["pd-balanced", "pd-ssd", "hyperdisk-balanced"], var.disk_type)
    error_message = "disk_type: write pd-balanced, pd-ssd or hyperdisk-balanced."
  }
}

variable "disk_gib" {
  description = "GiB of the node's disk: what the image has, or more; the rest is not used."
  type        = number
  default     = 10
  validation {
    condition     = floor(var.disk_gib) == var.disk_gib && var.disk_gib >= 10 && var.disk_gib <= 2048
    error_message = "disk_gib: write a whole number from 10 to 2048."
  }
}

variable "subnet_cidr" {
  description = "IPv4 network of the nodes; the first four and the last address are Google's."
  type        = string
  default     = "10.80.0.0/24"
  validation {
    condition     = try(cidrnetmask(var.subnet_cidr) != "" && cidrsubnet(var.subnet_cidr, 0, 0) == var.subnet_cidr, false)
    error_message = "subnet_cidr: write an IPv4 network like 10.80.0.0/24."
  }
  validation {
    condition     = try(pow(2, 32 - tonumber(split("/", var.subnet_cidr)[1])) >= var.node_count + 5, true)
    error_message = "subnet_cidr: too small for node_count nodes and the five addresses that Google keeps."
  }
}

variable "gateway_network" {
  description = "Self link of the network where gateways are; it is joined to the nodes' by peering. null: join them yourself."
  type        = string
  default     = null
}
