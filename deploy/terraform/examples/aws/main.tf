# Nodes without GPU on AWS. Steps, and what clients can check of them: README.md.

terraform {
  required_version = ">= 1.9, < 2.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 6.0.0"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  description = "us-east-2 or eu-west-1."
  type        = string
  default     = "us-east-2"
}

variable "availability_zone" {
  description = "Zone of the nodes."
  type        = string
  default     = "us-east-2a"
}

variable "instance_type" {
  description = "Of m6a, c6a, r6a."
  type        = string
  default     = "m6a.2xlarge"
}

variable "snapshots" {
  description = "Snapshots imported otherwise, or null."
  type        = object({ node = string, host = string })
  default     = null
}

variable "gateway_vpc" {
  description = "Id of the gateways' VPC."
  type        = string
  default     = null
}

variable "disk_gib" {
  description = "GiB of the node's disk: what the image has, or more."
  type        = number
  default     = 10
}

module "nodes" {
  source = "../../modules/aws"

  service               = var.service
  name                  = var.name
  node_count            = var.node_count
  allowed_gateway_cidrs = var.allowed_gateway_cidrs
  monitoring_cidrs      = var.monitoring_cidrs
  allow_any_gateway     = var.allow_any_gateway
  host_settings         = var.host_settings
  release               = var.release
  image_sha256          = var.image_sha256
  disks                 = var.disks
  disk_gib              = var.disk_gib

  availability_zone = var.availability_zone
  instance_type     = var.instance_type
  snapshots         = var.snapshots
  gateway_vpc       = var.gateway_vpc
}

output "addresses" {
  value = module.nodes.addresses
}

output "publisher_nodes" {
  value = module.nodes.publisher_nodes
}

output "chart_values" {
  value = module.nodes.chart_values
}

output "policy" {
  value = module.nodes.policy
}
