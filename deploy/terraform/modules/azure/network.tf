# A network of the nodes' own: nothing in but from gateways and monitoring, nothing out, not even to
# Azure's names, metadata and licences. The image's own firewall says the same (docs/node-image.md).

locals {
  gateway_path = var.gateway_network == null ? [] : split("/", var.gateway_network)

  # Azure's own rules let a whole virtual network talk; these stand before them.
  rules = merge(
    { gateways = { priority = 100, direction = "Inbound", access = "Allow", port = "8080", from = var.allowed_gateway_cidrs, to = "*" } },
    length(var.monitoring_cidrs) == 0 ? {} : {
      monitoring = { priority = 110, direction = "Inbound", access = "Allow", port = "8081", from = var.monitoring_cidrs, to = "*" }
    },
    { in_none = { priority = 4096, direction = "Inbound", access = "Deny", port = "*", from = null, to = "*" } },
    { for index, tag in ["AzurePlatformDNS", "AzurePlatformIMDS", "AzurePlatformLKM"] :
    "out_${tag}" => { priority = 100 + index, direction = "Outbound", access = "Deny", port = "*", from = null, to = tag } },
    { out_none = { priority = 4096, direction = "Outbound", access = "Deny", port = "*", from = null, to = "*" } },
  )
}

resource "azurerm_virtual_network" "nodes" {
  name                = "${var.name}-nodes"
  resource_group_name = azurerm_resource_group.nodes.name
  location            = azurerm_resource_group.nodes.location
  address_space       = [var.subnet_cidr]
  tags                = local.tags
}

resource "azurerm_subnet" "nodes" {
  name                            = "nodes"
  resource_group_name             = azurerm_resource_group.nodes.name
  virtual_network_name            = azurerm_virtual_network.nodes.name
  address_prefixes                = [var.subnet_cidr]
  default_outbound_access_enabled = false
}

resource "azurerm_network_security_group" "nodes" {
  name                = "${var.name}-nodes"
  resource_group_name = azurerm_resource_group.nodes.name
  location            = azurerm_resource_group.nodes.location
  tags                = local.tags
}

resource "azurerm_network_security_rule" "nodes" {
  for_each                    = local.rules
  name                        = each.key
  resource_group_name         = azurerm_resource_group.nodes.name
  network_security_group_name = azurerm_network_security_group.nodes.name
  priority                    = each.value.priority
  direction                   = each.value.direction
  access                      = each.value.access
  protocol                    = each.value.port == "*" ? "*" : "Tcp"
  source_port_range           = "*"
  source_address_prefix       = each.value.from == null ? "*" : null
  source_address_prefixes     = each.value.from
  destination_address_prefix  = each.value.to
  destination_port_range      = each.value.port
}

resource "azurerm_subnet_network_security_group_association" "nodes" {
  subnet_id                 = azurerm_subnet.nodes.id
  network_security_group_id = azurerm_network_security_group.nodes.id
}

resource "azurerm_network_interface" "node" {
  count               = var.node_count
  name                = "${var.name}-node-${count.index + 1}"
  resource_group_name = azurerm_resource_group.nodes.name
  location            = azurerm_resource_group.nodes.location
  tags                = local.tags

  ip_configuration {
    name                          = "node"
    subnet_id                     = azurerm_subnet.nodes.id
    private_ip_address_allocation = "Static"
    private_ip_address            = cidrhost(var.subnet_cidr, count.index + 4)
  }
}

resource "azurerm_virtual_network_peering" "to_gateways" {
  count                     = length(local.gateway_path) > 0 ? 1 : 0
  name                      = "${var.name}-nodes-to-gateways"
  resource_group_name       = azurerm_resource_group.nodes.name
  virtual_network_name      = azurerm_virtual_network.nodes.name
  remote_virtual_network_id = var.gateway_network
}

resource "azurerm_virtual_network_peering" "from_gateways" {
  count                     = length(local.gateway_path) > 0 ? 1 : 0
  name                      = "${var.name}-gateways-to-nodes"
  resource_group_name       = local.gateway_path[4]
  virtual_network_name      = local.gateway_path[8]
  remote_virtual_network_id = azurerm_virtual_network.nodes.id
}
