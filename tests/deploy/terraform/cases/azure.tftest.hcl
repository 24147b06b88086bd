run "makes_confidential_nodes" {
  command = apply
  assert {
    condition     = output.addresses == ["10.81.0.4", "10.81.0.5"] && output.policy.platforms == ["sev-snp-vtpm"]
    error_message = "nodes have the addresses that were asked for, and quote by SEV-SNP and vTPM"
  }
  assert {
    condition = alltrue([for one in azurerm_resource_group_template_deployment.node : jsondecode(one.template_content).resources[0].properties.securityProfile == {
      securityType = "ConfidentialVM", uefiSettings = { secureBootEnabled = false, vTpmEnabled = true }
    }])
    error_message = "every node is a confidential machine with a vTPM"
  }
  assert {
    condition     = alltrue([for one in azurerm_resource_group_template_deployment.node : length(setsubtract(keys(jsondecode(one.template_content).resources[0]), ["type", "apiVersion", "name", "location", "tags", "properties"])) == 0])
    error_message = "a node has no identity, no extension, no plan"
  }
  assert {
    condition     = alltrue([for one in azurerm_resource_group_template_deployment.node : toset(keys(jsondecode(one.template_content).resources[0].properties)) == toset(["hardwareProfile", "securityProfile", "storageProfile", "networkProfile", "diagnosticsProfile"])])
    error_message = "a node has no user, no key, no data of users"
  }
  assert {
    condition     = alltrue([for one in azurerm_resource_group_template_deployment.node : jsondecode(one.template_content).resources[0].properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType == "VMGuestStateOnly"])
    error_message = "the vTPM's state is encrypted for the machine"
  }
  assert {
    condition     = alltrue([for index, one in azurerm_resource_group_template_deployment.node : jsondecode(one.template_content).resources[0].properties.storageProfile.dataDisks[0].managedDisk.id == azurerm_managed_disk.host[index].id])
    error_message = "each node starts with the host's disk of its own"
  }
  assert {
    condition     = alltrue([for one in azurerm_resource_group_template_deployment.node : !jsondecode(one.template_content).resources[0].properties.diagnosticsProfile.bootDiagnostics.enabled])
    error_message = "a node has no console"
  }
}

run "is_closed_but_for_gateways_and_monitoring" {
  command = plan
  assert {
    condition     = { for name, one in azurerm_network_security_rule.nodes : name => [one.direction, one.access, one.destination_port_range] if one.access == "Allow" } == { gateways = ["Inbound", "Allow", "8080"], monitoring = ["Inbound", "Allow", "8081"] }
    error_message = "only two rules let in, and none out"
  }
  assert {
    condition     = azurerm_network_security_rule.nodes["gateways"].source_address_prefixes == tolist(["10.90.0.0/24"]) && azurerm_network_security_rule.nodes["monitoring"].source_address_prefixes == tolist(["10.91.0.16/28"])
    error_message = "they let in whom the variables name"
  }
  assert {
    condition     = alltrue([for name in ["in_none", "out_none"] : azurerm_network_security_rule.nodes[name].priority == 4096 && azurerm_network_security_rule.nodes[name].access == "Deny" && azurerm_network_security_rule.nodes[name].protocol == "*"])
    error_message = "everything else is denied before Azure's own rules"
  }
  assert {
    condition     = toset([for name, one in azurerm_network_security_rule.nodes : one.destination_address_prefix if one.direction == "Outbound"]) == toset(["*", "AzurePlatformDNS", "AzurePlatformIMDS", "AzurePlatformLKM"])
    error_message = "nor do Azure's names, metadata and licences answer"
  }
  assert {
    condition     = !azurerm_subnet.nodes.default_outbound_access_enabled
    error_message = "the network leads nowhere"
  }
}

run "joins_the_gateways_network_from_both_sides" {
  command = plan
  assert {
    condition     = azurerm_virtual_network_peering.from_gateways[0].resource_group_name == "front" && azurerm_virtual_network_peering.from_gateways[0].virtual_network_name == "gateways"
    error_message = "the other side is found in the id"
  }
}

run "keeps_the_disks_from_everybody" {
  command = plan
  assert {
    condition     = !azurerm_storage_account.disks.shared_access_key_enabled && !azurerm_storage_account.disks.allow_nested_items_to_be_public && azurerm_storage_container.disks.container_access_type == "private"
    error_message = "account keys open nothing, and nothing is public"
  }
  assert {
    condition     = azurerm_shared_image.node.confidential_vm_supported && azurerm_shared_image.node.specialized && azurerm_shared_image.node.hyper_v_generation == "V2"
    error_message = "the gallery knows what the image is for"
  }
}

run "says_the_zone" {
  command = plan
  variables {
    zone = "2"
  }
  assert {
    condition     = azurerm_managed_disk.host[0].zone == "2"
    error_message = "disk and machine lie in one zone"
  }
}

run "refuses_what_is_none_of_these" {
  command = plan
  variables {
    location        = "East US 2"
    zone            = "4"
    size            = "Standard_NC40ads_H100_v5"
    storage_account = "openpcc-disks"
    subnet_cidr     = "10.81.0.1/24"
    gateway_network = "gateways"
  }
  expect_failures = [var.location, var.zone, var.size, var.storage_account, var.subnet_cidr, var.gateway_network]
}

run "refuses_subnet_without_room" {
  command = plan
  variables {
    subnet_cidr = "10.81.0.0/30"
  }
  expect_failures = [var.subnet_cidr]
}

run "refuses_disks_of_another_release" {
  command = plan
  variables {
    release = "b4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a829"
  }
  expect_failures = [terraform_data.disks]
}
