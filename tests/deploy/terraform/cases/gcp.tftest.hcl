run "makes_confidential_nodes" {
  command = apply
  assert {
    condition     = output.addresses == ["10.80.0.4", "10.80.0.5"] && output.policy.platforms == ["tdx"]
    error_message = "nodes have the addresses that were asked for, and quote by TDX"
  }
  assert {
    condition     = alltrue([for one in google_compute_instance.node : one.confidential_instance_config[0].confidential_instance_type == "TDX"])
    error_message = "every node is a TDX machine"
  }
  assert {
    condition     = alltrue([for one in google_compute_instance.node : one.scheduling[0].on_host_maintenance == "TERMINATE" && !one.scheduling[0].automatic_restart])
    error_message = "a node is never moved, and a spot machine not restarted by itself"
  }
  assert {
    condition     = alltrue([for one in google_compute_instance.node : length(one.service_account) == 0 && length(one.network_interface[0].access_config) == 0 && length(one.network_interface) == 1])
    error_message = "a node has no identity and no address outside"
  }
  assert {
    condition     = alltrue([for one in google_compute_instance.node : one.metadata == tomap({ block-project-ssh-keys = "true", serial-port-enable = "false", serial-port-logging-enable = "false" }) && one.metadata_startup_script == null])
    error_message = "a node's metadata holds no key, no script, no console"
  }
  assert {
    condition     = alltrue([for one in google_compute_instance.node : one.attached_disk[0].device_name == "openpcc-host" && one.attached_disk[0].mode == "READ_ONLY"])
    error_message = "the host's disk is attached from the start, to be read"
  }
  assert {
    condition     = alltrue([for one in google_compute_instance.node : one.shielded_instance_config[0].enable_vtpm && !one.shielded_instance_config[0].enable_secure_boot])
    error_message = "firmware is set as the release was measured"
  }
}

run "is_closed_but_for_gateways_and_monitoring" {
  command = plan
  assert {
    condition     = google_compute_firewall.out_none.priority == 0 && google_compute_firewall.out_none.direction == "EGRESS" && google_compute_firewall.out_none.deny[0].protocol == "all" && google_compute_firewall.out_none.destination_ranges == tolist(["0.0.0.0/0"])
    error_message = "nothing goes out, whatever another rule says"
  }
  assert {
    condition     = google_compute_firewall.in_none.deny[0].protocol == "all" && google_compute_firewall.in_none.source_ranges == tolist(["0.0.0.0/0"])
    error_message = "nothing comes in that no rule lets in"
  }
  assert {
    condition     = google_compute_firewall.gateways.source_ranges == tolist(["10.90.0.0/24"]) && google_compute_firewall.gateways.allow[0].ports == tolist(["8080"]) && length(google_compute_firewall.gateways.allow) == 1
    error_message = "gateways reach 8080"
  }
  assert {
    condition     = google_compute_firewall.monitoring[0].source_ranges == tolist(["10.91.0.16/28"]) && google_compute_firewall.monitoring[0].allow[0].ports == tolist(["8081"])
    error_message = "monitoring reaches 8081"
  }
  assert {
    condition     = google_compute_network.nodes.delete_default_routes_on_create && !google_compute_subnetwork.nodes.private_ip_google_access
    error_message = "the network leads nowhere"
  }
}

run "has_no_rule_for_monitoring_that_is_not_named" {
  command = plan
  variables {
    monitoring_cidrs = []
    gateway_network  = null
  }
  assert {
    condition     = length(google_compute_firewall.monitoring) == 0 && length(google_compute_network_peering.to_gateways) == 0
    error_message = "port 8081 is closed unless somebody reads it"
  }
}

run "marks_the_image_for_confidential_machines" {
  command = plan
  assert {
    condition     = toset(google_compute_image.node.guest_os_features[*].type) == toset(["UEFI_COMPATIBLE", "GVNIC", "TDX_CAPABLE", "SEV_SNP_CAPABLE"])
    error_message = "the image says what its kernel can"
  }
}

run "ends_a_flex_start_machine" {
  command = plan
  variables {
    provisioning = "FLEX_START"
    run_hours    = 24
  }
  assert {
    condition     = google_compute_instance.node[0].scheduling[0].max_run_duration[0].seconds == 86400 && google_compute_instance.node[0].scheduling[0].instance_termination_action == "DELETE"
    error_message = "FLEX_START has an end"
  }
}

run "refuses_what_is_none_of_these" {
  command = plan
  variables {
    project      = "demo"
    region       = "US"
    machine_type = "n2d-standard-4"
    provisioning = "PREEMPTIBLE"
    run_hours    = 169
    disk_type    = "pd-standard"
    subnet_cidr  = "10.80.0.1/24"
    disk_gib     = 9
  }
  expect_failures = [var.project, var.region, var.machine_type, var.provisioning, var.run_hours, var.disk_type, var.subnet_cidr, var.disk_gib]
}

run "refuses_eight_gpus" {
  command = plan
  variables {
    machine_type = "a3-highgpu-8g"
  }
  expect_failures = [var.machine_type]
}

run "refuses_subnet_without_room" {
  command = plan
  variables {
    subnet_cidr = "10.80.0.0/30"
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

run "refuses_zone_of_another_region" {
  command = plan
  variables {
    zone = "europe-west4-c"
  }
  expect_failures = [var.zone]
}
