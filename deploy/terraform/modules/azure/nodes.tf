# The machines: SEV-SNP under Azure's paravisor, no identity, no user, no key, no agent.
#
# They are made by a template of Azure's, because azurerm_linux_virtual_machine attaches data disks
# only after it has started a machine, and a node that finds no host's disk ends itself.

locals {
  cloud     = "azure"
  platforms = ["sev-snp-vtpm"]
  addresses = [for one in azurerm_network_interface.node : one.ip_configuration[0].private_ip_address]

  machines = [for index in range(var.node_count) : {
    hardwareProfile = { vmSize = var.size }

    # The kernel image is not signed by a key that firmware knows; it is measured into the vTPM, and
    # clients judge that. The vTPM is the paravisor's, inside of what SEV-SNP protects.
    securityProfile = {
      securityType = "ConfidentialVM"
      uefiSettings = { secureBootEnabled = false, vTpmEnabled = true }
    }

    storageProfile = {
      imageReference = { id = azurerm_shared_image_version.node.id }
      osDisk = {
        createOption = "FromImage"
        deleteOption = "Delete"
        caching      = "ReadOnly"
        managedDisk = {
          storageAccountType = "Premium_LRS"
          securityProfile    = { securityEncryptionType = "VMGuestStateOnly" }
        }
      }
      dataDisks = [{
        lun          = 0
        createOption = "Attach"
        deleteOption = "Detach"
        caching      = "ReadOnly"
        managedDisk  = { id = azurerm_managed_disk.host[index].id }
      }]
    }

    networkProfile = {
      networkInterfaces = [{ id = azurerm_network_interface.node[index].id, properties = { primary = true, deleteOption = "Detach" } }]
    }

    # No console, neither to read nor to type at.
    diagnosticsProfile = { bootDiagnostics = { enabled = false } }
  }]
}

resource "azurerm_resource_group_template_deployment" "node" {
  count               = var.node_count
  name                = "${var.name}-node-${count.index + 1}"
  resource_group_name = azurerm_resource_group.nodes.name
  deployment_mode     = "Incremental"
  tags                = local.tags

  template_content = jsonencode({
    "$schema"      = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    contentVersion = "1.0.0.0"
    resources = [merge(
      {
        type       = "Microsoft.Compute/virtualMachines"
        apiVersion = "2024-07-01"
        name       = "${var.name}-node-${count.index + 1}"
        location   = var.location
        tags       = local.tags
        properties = local.machines[count.index]
      },
      var.zone == null ? {} : { zones = [var.zone] },
    )]
  })

  # Another image or other settings are another node: never a disk changed below a running one.
  lifecycle {
    replace_triggered_by = [azurerm_shared_image_version.node.id, azurerm_managed_disk.host[count.index].id]
  }

  depends_on = [azurerm_subnet_network_security_group_association.nodes, azurerm_network_security_rule.nodes]
}
