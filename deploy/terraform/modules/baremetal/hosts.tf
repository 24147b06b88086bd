# What is the operator's own. Whatever is put into XML is held to an alphabet that needs no escaping.

variable "platform" {
  description = "sev-snp boots the kernel image directly, with its hash in the launch digest; tdx boots from the disk."
  type        = string
  validation {
    condition     = contains(["sev-snp", "tdx"], var.platform)
    error_message = "platform: write sev-snp or tdx."
  }
}

variable "addresses" {
  description = "IPv4 address of each node, as the DHCP server of the bridge will give it (output dhcp_hosts)."
  type        = list(string)
  validation {
    condition     = length(var.addresses) == var.node_count && length(distinct(var.addresses)) == var.node_count
    error_message = "addresses: write one for each of node_count nodes, each once."
  }
  validation {
    condition     = alltrue([for one in var.addresses : try(cidrhost("${one}/32", 0) == one, false)])
    error_message = "addresses: write IPv4 addresses like 10.83.0.11."
  }
}

variable "cpus" {
  description = "Processors of a node. In SEV-SNP's launch digest: image.json has to name the same."
  type        = number
  validation {
    condition     = floor(var.cpus) == var.cpus && var.cpus >= 1 && var.cpus <= 512
    error_message = "cpus: write a whole number from 1 to 512."
  }
}

variable "cpu" {
  description = "Type of processor for sev-snp, as image.json names it; tdx passes the host's own through."
  type        = string
  default     = "EPYC-Genoa"
  validation {
    condition     = contains(["EPYC-Milan", "EPYC-Genoa", "EPYC-Turin", "EPYC-v4"], var.cpu)
    error_message = "cpu: write EPYC-Milan, EPYC-Genoa, EPYC-Turin or EPYC-v4."
  }
}

variable "memory_gib" {
  description = "Memory of a node in GiB."
  type        = number
  validation {
    condition     = floor(var.memory_gib) == var.memory_gib && var.memory_gib >= 2 && var.memory_gib <= 4096
    error_message = "memory_gib: write a whole number from 2 to 4096."
  }
}

variable "bridge" {
  description = "Bridge of the host that leads to gateways."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9._-]{0,14}$", var.bridge))
    error_message = "bridge: write an interface's name, at most 15 of a-z, 0-9, dot, hyphen and underscore."
  }
}

variable "image_folder" {
  description = "Folder on the hosts that has node.raw, node.efi and host.raw."
  type        = string
  validation {
    condition     = can(regex("^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", var.image_folder))
    error_message = "image_folder: write a whole path of A-Z, a-z, 0-9, dot, hyphen and underscore."
  }
}

variable "firmware" {
  description = "Firmware on the hosts: the file that the launch measurement was computed from."
  type        = string
  validation {
    condition     = can(regex("^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", var.firmware))
    error_message = "firmware: write a whole path of A-Z, a-z, 0-9, dot, hyphen and underscore."
  }
}

variable "gpus" {
  description = "For each node its PCI devices (GPUs, switches), like 0000:41:00.0. Empty: none."
  type        = list(list(string))
  default     = []
  validation {
    condition     = length(var.gpus) == 0 || length(var.gpus) == var.node_count
    error_message = "gpus: write one list for each of node_count nodes, or none at all."
  }
  validation {
    condition     = alltrue([for one in flatten(var.gpus) : can(regex("^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]$", one))])
    error_message = "gpus: write PCI addresses like 0000:41:00.0."
  }
  validation {
    condition     = length(distinct(flatten(var.gpus))) == length(flatten(var.gpus))
    error_message = "gpus: a device belongs to one node."
  }
}

variable "quote_socket" {
  description = "Socket of Intel's quote generation service on the hosts; tdx only."
  type        = string
  default     = "/var/run/tdx-qgs/qgs.socket"
  validation {
    condition     = can(regex("^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", var.quote_socket))
    error_message = "quote_socket: write a whole path of A-Z, a-z, 0-9, dot, hyphen and underscore."
  }
}
