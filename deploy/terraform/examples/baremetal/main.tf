# Nodes on hosts of your own, by libvirt. Steps: README.md.

terraform {
  required_version = ">= 1.9, < 2.0"
}

variable "platform" {
  description = "sev-snp or tdx."
  type        = string
}

variable "addresses" {
  description = "IPv4 address of each node."
  type        = list(string)
}

variable "cpus" {
  description = "Processors of a node, as in image.json."
  type        = number
  default     = 8
}

variable "cpu" {
  description = "Type of processor, as in image.json; sev-snp only."
  type        = string
  default     = "EPYC-Genoa"
}

variable "memory_gib" {
  description = "Memory of a node."
  type        = number
  default     = 64
}

variable "bridge" {
  description = "Bridge that leads to gateways."
  type        = string
  default     = "br0"
}

variable "image_folder" {
  description = "Folder on the hosts with node.raw, node.efi, host.raw."
  type        = string
  default     = "/var/lib/openpcc/image"
}

variable "firmware" {
  description = "Firmware on the hosts."
  type        = string
}

variable "gpus" {
  description = "PCI devices of each node."
  type        = list(list(string))
  default     = []
}

module "nodes" {
  source = "../../modules/baremetal"

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

  platform     = var.platform
  addresses    = var.addresses
  cpus         = var.cpus
  cpu          = var.cpu
  memory_gib   = var.memory_gib
  bridge       = var.bridge
  image_folder = var.image_folder
  firmware     = var.firmware
  gpus         = var.gpus
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

output "domains" {
  value = module.nodes.domains
}

output "filter" {
  value = module.nodes.filter
}

output "dhcp_hosts" {
  value = module.nodes.dhcp_hosts
}

output "files" {
  value = module.nodes.files
}
