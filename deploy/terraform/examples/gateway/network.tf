# In: relays to the gateway, Google's health checks and monitoring to the control port. Out: anything,
# through NAT, because the log, the publisher and the container's registry are elsewhere.

locals {
  # Where Google's health checks come from: its documentation of health checks.
  health_checks = ["35.191.0.0/16", "130.211.0.0/22"]
}

resource "google_compute_network" "gateways" {
  name                    = "${var.name}-gateways"
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "gateways" {
  name                     = "${var.name}-gateways"
  network                  = google_compute_network.gateways.id
  region                   = var.region
  ip_cidr_range            = var.subnet_cidr
  private_ip_google_access = true
}

resource "google_compute_router" "gateways" {
  name    = "${var.name}-gateways"
  network = google_compute_network.gateways.id
  region  = var.region
}

resource "google_compute_router_nat" "gateways" {
  name                               = "${var.name}-gateways"
  router                             = google_compute_router.gateways.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_compute_firewall" "relays" {
  name          = "${var.name}-relays"
  network       = google_compute_network.gateways.name
  direction     = "INGRESS"
  source_ranges = var.relay_cidrs

  allow {
    protocol = "tcp"
    ports    = [module.role.ports.listen]
  }
}

resource "google_compute_firewall" "control" {
  name          = "${var.name}-control"
  network       = google_compute_network.gateways.name
  direction     = "INGRESS"
  source_ranges = concat(local.health_checks, var.monitoring_cidrs)

  allow {
    protocol = "tcp"
    ports    = [module.role.ports.control]
  }
}
