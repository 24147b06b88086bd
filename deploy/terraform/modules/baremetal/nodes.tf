# One domain for each node, and one filter for all.

locals {
  cloud     = "baremetal"
  platforms = [var.platform]
  addresses = var.addresses
  filter    = "${var.name}-nodes"

  nodes = { for index in range(var.node_count) : "${var.name}-node-${index + 1}" => {
    address = var.addresses[index]
    # Locally administered; the same for the same name.
    mac  = join(":", concat(["52", "54", "00"], [for at in [0, 2, 4] : substr(sha256("${var.name}-node-${index + 1}"), at, 2)]))
    gpus = try(var.gpus[index], [])
  } }
}

output "domains" {
  description = "XML of each domain, by its name."
  value = { for name, node in local.nodes : name => templatefile("${path.module}/domain.xml.tftpl", {
    name         = name
    node         = node
    platform     = var.platform
    cpus         = var.cpus
    cpu          = var.cpu
    memory_gib   = var.memory_gib
    bridge       = var.bridge
    filter       = local.filter
    folder       = var.image_folder
    firmware     = var.firmware
    quote_socket = var.quote_socket
    release      = var.release
  }) }
  depends_on = [terraform_data.disks]
}

output "filter" {
  description = "XML of the packet filter that all domains have."
  value = templatefile("${path.module}/filter.xml.tftpl", {
    name = local.filter
    accepts = concat(
      [for one in var.allowed_gateway_cidrs : { port = 8080, address = split("/", one)[0], bits = split("/", one)[1] }],
      [for one in var.monitoring_cidrs : { port = 8081, address = split("/", one)[0], bits = split("/", one)[1] }],
    )
  })
}

output "dhcp_hosts" {
  description = "Lines for dnsmasq's dhcp-host: which address each node is given."
  value       = [for name, node in local.nodes : "${node.mac},${node.address},${name}"]
}

output "files" {
  description = "What the files on the hosts have to hold: path to SHA-256."
  value = {
    "${var.image_folder}/node.raw" = var.image_sha256
    "${var.image_folder}/host.raw" = try(local.files["host.raw"].sha256, "")
  }
}
