# Gateways on Google Cloud: a group of ordinary machines, without addresses outside. Steps: README.md.
# The module is the same for every cloud; what is around it here is Google's.

terraform {
  required_version = ">= 1.9, < 2.0"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50.0, < 7.0.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

module "role" {
  source = "../../modules/gateway"

  role            = "gateway"
  container_image = var.container_image
  config          = file("${var.folder}/gateway.toml")
  secrets         = var.secrets
  secrets_from    = "gcp"
}

resource "google_service_account" "gateway" {
  account_id   = "${var.name}-gateway"
  display_name = "reads the gateway's secrets, and nothing else"
}

resource "google_secret_manager_secret_iam_member" "gateway" {
  for_each  = toset([for place in values(var.secrets) : split("/", place)[3]])
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.gateway.email}"
}

resource "google_compute_instance_template" "gateway" {
  name_prefix    = "${var.name}-gateway-"
  machine_type   = var.machine_type
  can_ip_forward = false

  disk {
    source_image = var.boot_image
    boot         = true
    auto_delete  = true
    disk_size_gb = 20
  }

  network_interface {
    subnetwork = google_compute_subnetwork.gateways.id
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  service_account {
    email  = google_service_account.gateway.email
    scopes = ["cloud-platform"]
  }

  metadata = {
    user-data              = module.role.user_data
    block-project-ssh-keys = "true"
    enable-oslogin         = "true"
    serial-port-enable     = "false"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Alive is all that heals: a gateway that is not ready waits for a publication, and a new one would too.
resource "google_compute_health_check" "gateway" {
  name                = "${var.name}-gateway"
  check_interval_sec  = 10
  timeout_sec         = 5
  healthy_threshold   = 2
  unhealthy_threshold = 6

  http_health_check {
    port         = module.role.ports.control
    request_path = "/healthz"
  }
}

resource "google_compute_region_instance_group_manager" "gateway" {
  name               = "${var.name}-gateway"
  base_instance_name = "${var.name}-gateway"
  region             = var.region
  target_size        = var.gateway_count

  version {
    instance_template = google_compute_instance_template.gateway.id
  }

  named_port {
    name = "gateway"
    port = module.role.ports.listen
  }

  auto_healing_policies {
    health_check      = google_compute_health_check.gateway.id
    initial_delay_sec = 600
  }

  # One after the other, each new one before an old one goes.
  update_policy {
    type                  = "PROACTIVE"
    minimal_action        = "REPLACE"
    max_surge_fixed       = 3
    max_unavailable_fixed = 0
  }
}

output "network" {
  description = "For gateway_network of examples/gcp."
  value       = google_compute_network.gateways.self_link
}

output "cidr" {
  description = "For allowed_gateway_cidrs of examples/gcp."
  value       = google_compute_subnetwork.gateways.ip_cidr_range
}

output "instance_group" {
  description = "Backend for a load balancer; the port is named gateway."
  value       = google_compute_region_instance_group_manager.gateway.instance_group
}
