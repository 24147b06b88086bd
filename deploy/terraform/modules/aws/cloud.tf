# What is Amazon's own.

variable "availability_zone" {
  description = "Zone of the nodes; SEV-SNP is offered in us-east-2 and eu-west-1."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$", var.availability_zone))
    error_message = "availability_zone: write one like us-east-2a."
  }
}

variable "instance_type" {
  description = "Of the families m6a, c6a, r6a; none has a GPU. Another size is another measurement, so another release."
  type        = string
  default     = "m6a.2xlarge"
  validation {
    condition     = can(regex("^[mcr]6a\\.(large|xlarge|2xlarge|4xlarge|8xlarge)$", var.instance_type))
    error_message = "instance_type: with SEV-SNP there are m6a, c6a and r6a, .large to .8xlarge."
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

variable "vpc_cidr" {
  description = "IPv4 network of the nodes, /16 to /28; the first four and the last address are Amazon's."
  type        = string
  default     = "10.82.0.0/24"
  validation {
    condition     = try(cidrnetmask(var.vpc_cidr) != "" && cidrsubnet(var.vpc_cidr, 0, 0) == var.vpc_cidr, false)
    error_message = "vpc_cidr: write an IPv4 network like 10.82.0.0/24."
  }
  validation {
    condition     = try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 28, true)
    error_message = "vpc_cidr: Amazon takes /16 to /28."
  }
  validation {
    condition     = try(pow(2, 32 - tonumber(split("/", var.vpc_cidr)[1])) >= var.node_count + 5, true)
    error_message = "vpc_cidr: too small for node_count nodes and the five addresses that Amazon keeps."
  }
}

variable "import_role" {
  description = "Name of the role that VM Import/Export works as; it has to read the bucket that is made."
  type        = string
  default     = "vmimport"
}

variable "snapshots" {
  description = "Snapshots of node.raw and host.raw that were imported otherwise. null: upload and import them."
  type        = object({ node = string, host = string })
  default     = null
  validation {
    condition     = var.snapshots == null || alltrue([for one in values(coalesce(var.snapshots, {})) : can(regex("^snap-[0-9a-f]{8,17}$", one))])
    error_message = "snapshots: write ids like snap-0123456789abcdef0."
  }
}

variable "gateway_vpc" {
  description = "Id of the VPC of gateways, of this account and region; it is joined to the nodes' by peering. Routes on its side are yours. null: join them yourself."
  type        = string
  default     = null
  validation {
    condition     = var.gateway_vpc == null || can(regex("^vpc-[0-9a-f]{8,17}$", coalesce(var.gateway_vpc, "none")))
    error_message = "gateway_vpc: write an id like vpc-0123456789abcdef0."
  }
}
