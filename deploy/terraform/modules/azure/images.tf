# The two disks: the node's as a version of a gallery image, which confidential machines start from,
# and the host's settings as managed disks. Nothing in them is secret.

resource "azurerm_resource_group" "nodes" {
  name     = "${var.name}-nodes"
  location = var.location
  tags     = local.tags
}

# Whoever uploads is known by name: account keys, which Terraform's state would hold, open nothing.
resource "azurerm_storage_account" "disks" {
  name                            = var.storage_account
  resource_group_name             = azurerm_resource_group.nodes.name
  location                        = azurerm_resource_group.nodes.location
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false
  local_user_enabled              = false
  tags                            = local.tags
}

resource "azurerm_storage_container" "disks" {
  name                  = "disks"
  storage_account_id    = azurerm_storage_account.disks.id
  container_access_type = "private"
}

resource "azurerm_storage_blob" "disk" {
  for_each               = { node = local.image_key, host = local.host_key }
  name                   = "${each.key}-${each.value}.vhd"
  storage_account_name   = azurerm_storage_account.disks.name
  storage_container_name = azurerm_storage_container.disks.name
  type                   = "Page"
  source                 = local.files["${each.key}.vhd"].path
  depends_on             = [terraform_data.disks]
}

resource "azurerm_shared_image_gallery" "nodes" {
  name                = replace("${var.name}_nodes", "-", "_")
  resource_group_name = azurerm_resource_group.nodes.name
  location            = azurerm_resource_group.nodes.location
  tags                = local.tags
}

# specialized: the image has no agent of Azure's that would make users or take keys.
resource "azurerm_shared_image" "node" {
  name                      = "node-${local.image_key}"
  gallery_name              = azurerm_shared_image_gallery.nodes.name
  resource_group_name       = azurerm_resource_group.nodes.name
  location                  = azurerm_resource_group.nodes.location
  os_type                   = "Linux"
  specialized               = true
  hyper_v_generation        = "V2"
  architecture              = "x64"
  confidential_vm_supported = true
  tags                      = local.tags

  identifier {
    publisher = "openpcc"
    offer     = var.name
    sku       = local.image_key
  }
}

resource "azurerm_shared_image_version" "node" {
  name                = "1.0.0"
  gallery_name        = azurerm_shared_image_gallery.nodes.name
  image_name          = azurerm_shared_image.node.name
  resource_group_name = azurerm_resource_group.nodes.name
  location            = azurerm_resource_group.nodes.location
  blob_uri            = azurerm_storage_blob.disk["node"].id
  storage_account_id  = azurerm_storage_account.disks.id
  tags                = local.tags

  target_region {
    name                   = var.location
    regional_replica_count = 1
  }
}

resource "azurerm_managed_disk" "host" {
  count                         = var.node_count
  name                          = "${var.name}-host-${count.index + 1}-${local.host_key}"
  resource_group_name           = azurerm_resource_group.nodes.name
  location                      = azurerm_resource_group.nodes.location
  zone                          = var.zone
  storage_account_type          = "StandardSSD_LRS"
  create_option                 = "Import"
  source_uri                    = azurerm_storage_blob.disk["host"].id
  storage_account_id            = azurerm_storage_account.disks.id
  public_network_access_enabled = false
  network_access_policy         = "DenyAll"
  tags                          = local.tags
}
