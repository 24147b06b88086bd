# What is Microsoft's own.

variable "location" {
  description = "Region that offers the size, as one word."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location: write it as one word, like eastus2 or westeurope."
  }
}

variable "zone" {
  description = "Availability zone: 1, 2 or 3. null: none."
  type        = string
  default     = null
  validation {
    condition     = var.zone == null || contains(["1", "2", "3"], coalesce(var.zone, "1"))
    error_message = "zone: write 1, 2 or 3, or leave it out."
  }
}

variable "size" {
  description = "Standard_NCC40ads_H100_v5 has one H100; DCas_v5 and ECas_v5 have none. Another size is another measurement, so another release."
  type        = string
  default     = "Standard_NCC40ads_H100_v5"
  validation {
    condition     = can(regex("^Standard_(NCC40ads_H100_v5|(DC|EC)(2|4|8|16|32|48|64|96)as_v5)$", var.size))
    error_message = "size: with SEV-SNP there are Standard_NCC40ads_H100_v5 and Standard_DC2as_v5 up to DC96as_v5, EC likewise."
  }
}

variable "storage_account" {
  description = "Name of the storage account to make for the disks; unique in all of Azure."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.storage_account))
    error_message = "storage_account: 3 to 24 of a-z and 0-9."
  }
}

variable "subnet_cidr" {
  description = "IPv4 network of the nodes; the first four and the last address are Azure's."
  type        = string
  default     = "10.81.0.0/24"
  validation {
    condition     = try(cidrnetmask(var.subnet_cidr) != "" && cidrsubnet(var.subnet_cidr, 0, 0) == var.subnet_cidr, false)
    error_message = "subnet_cidr: write an IPv4 network like 10.81.0.0/24."
  }
  validation {
    condition     = try(pow(2, 32 - tonumber(split("/", var.subnet_cidr)[1])) >= var.node_count + 5, true)
    error_message = "subnet_cidr: too small for node_count nodes and the five addresses that Azure keeps."
  }
}

variable "gateway_network" {
  description = "Resource id of the virtual network where gateways are; it is joined to the nodes' by peering. null: join them yourself."
  type        = string
  default     = null
  validation {
    condition     = var.gateway_network == null || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+$", var.gateway_network))
    error_message = "gateway_network: write the resource id of a virtual network, /subscriptions/…/virtualNetworks/NAME."
  }
}
