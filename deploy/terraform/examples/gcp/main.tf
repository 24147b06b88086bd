# Nodes with H100 on Google Cloud. Steps: README.md.

terraform {
  required_version = ">= 1.9, < 2.0"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50.0, < 7.0.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

variable "project" {
  description = "Id of the project."
  type        = string
}

variable "region" {
  description = "Region of the nodes."
  type        = string
  default     = "us-central1"
}

variable "zone" {
  description = "Zone with A3 machines that have TDX."
  type        = string
  default     = "us-central1-a"
}

variable "machine_type" {
  description = "c3-standard-4 tries everything but the GPU."
  type        = string
  default     = "a3-highgpu-1g"
}

variable "provisioning" {
  description = "SPOT, FLEX_START or STANDARD."
  type        = string
  default     = "SPOT"
}

variable "gateway_network" {
  description = "Self link of the gateways' network (output of examples/gateway)."
  type        = string
  default     = null
}

variable "disk_gib" {
  description = "GiB of the node's disk: what the image has, or more."
  type        = number
  default     = 10
}

module "nodes" {
  source = "../../modules/gcp"

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

  project         = var.project
  region          = var.region
  zone            = var.zone
  machine_type    = var.machine_type
  provisioning    = var.provisioning
  gateway_network = var.gateway_network
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
