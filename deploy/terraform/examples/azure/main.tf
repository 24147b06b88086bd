# Nodes with H100 on Azure. Steps: README.md.

terraform {
  required_version = ">= 1.9, < 2.0"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.55.0, < 5.0.0"
    }
  }
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true
  features {}
}

variable "subscription_id" {
  description = "Id of the subscription."
  type        = string
}

variable "location" {
  description = "Region that offers the size."
  type        = string
  default     = "eastus2"
}

variable "zone" {
  description = "Availability zone, or null."
  type        = string
  default     = null
}

variable "size" {
  description = "Standard_DC4as_v5 tries everything but the GPU."
  type        = string
  default     = "Standard_NCC40ads_H100_v5"
}

variable "storage_account" {
  description = "Name of the storage account to make."
  type        = string
}

variable "gateway_network" {
  description = "Resource id of the gateways' virtual network."
  type        = string
  default     = null
}

module "nodes" {
  source = "../../modules/azure"

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

  location        = var.location
  zone            = var.zone
  size            = var.size
  storage_account = var.storage_account
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
