# The machines: TDX, no identity, no key, no console, no address outside.

locals {
  cloud     = "gcp"
  platforms = ["tdx"]
  addresses = google_compute_address.node[*].address
}

# One for each node: types of disks that take several readers differ from machine to machine.
resource "google_compute_disk" "host" {
  count  = var.node_count
  name   = "${var.name}-host-${count.index + 1}-${local.host_key}"
  zone   = var.zone
  type   = var.disk_type
  size   = 10
  image  = google_compute_image.host.self_link
  labels = local.tags
}

resource "google_compute_instance" "node" {
  count                     = var.node_count
  name                      = "${var.name}-node-${count.index + 1}"
  zone                      = var.zone
  machine_type              = var.machine_type
  labels                    = local.tags
  can_ip_forward            = false
  allow_stopping_for_update = false

  confidential_instance_config {
    confidential_instance_type = "TDX"
  }

  # The kernel image is not signed by a key that firmware knows; it is measured, and clients judge
  # that. What Google would compare with an earlier boot says nothing to them.
  shielded_instance_config {
    enable_secure_boot          = false
    enable_vtpm                 = true
    enable_integrity_monitoring = false
  }

  boot_disk {
    auto_delete = true
    device_name = "openpcc-node"
    initialize_params {
      image  = google_compute_image.node.self_link
      size   = var.disk_gib
      type   = var.disk_type
      labels = local.tags
    }
  }

  attached_disk {
    source      = google_compute_disk.host[count.index].self_link
    device_name = "openpcc-host"
    mode        = "READ_ONLY"
  }

  network_interface {
    subnetwork = google_compute_subnetwork.nodes.id
    network_ip = google_compute_address.node[count.index].address
    nic_type   = "GVNIC"
    stack_type = "IPV4_ONLY"
  }

  # No service_account: the machine is nobody in the project.
  metadata = {
    block-project-ssh-keys     = "true"
    serial-port-enable         = "false"
    serial-port-logging-enable = "false"
  }

  scheduling {
    on_host_maintenance         = "TERMINATE"
    automatic_restart           = false
    provisioning_model          = var.provisioning
    preemptible                 = var.provisioning == "SPOT"
    instance_termination_action = { SPOT = "STOP", FLEX_START = "DELETE", STANDARD = null }[var.provisioning]

    dynamic "max_run_duration" {
      for_each = var.provisioning == "FLEX_START" ? [var.run_hours * 3600] : []
      content {
        seconds = max_run_duration.value
      }
    }
  }

  dynamic "reservation_affinity" {
    for_each = var.provisioning == "FLEX_START" ? ["NO_RESERVATION"] : []
    content {
      type = reservation_affinity.value
    }
  }

  # Another image or other settings are another node: never a disk changed below a running one.
  lifecycle {
    replace_triggered_by = [google_compute_image.node.id, google_compute_disk.host[count.index].id]
  }

  depends_on = [google_compute_firewall.in_none, google_compute_firewall.out_none]
}
