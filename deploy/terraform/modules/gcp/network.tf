# A network of the nodes' own: no route to anywhere, nothing in but from gateways and monitoring,
# nothing out. The image's own firewall says the same (docs/node-image.md); this one is the host's.

resource "google_compute_network" "nodes" {
  name                            = "${var.name}-nodes"
  auto_create_subnetworks         = false
  delete_default_routes_on_create = true
  routing_mode                    = "REGIONAL"
}

resource "google_compute_subnetwork" "nodes" {
  name                     = "${var.name}-nodes"
  network                  = google_compute_network.nodes.id
  region                   = var.region
  ip_cidr_range            = var.subnet_cidr
  private_ip_google_access = false
  stack_type               = "IPV4_ONLY"
}

resource "google_compute_address" "node" {
  count        = var.node_count
  name         = "${var.name}-node-${count.index + 1}"
  region       = var.region
  subnetwork   = google_compute_subnetwork.nodes.id
  address_type = "INTERNAL"
  address      = cidrhost(var.subnet_cidr, count.index + 4)
}

resource "google_compute_firewall" "in_none" {
  name          = "${var.name}-in-none"
  network       = google_compute_network.nodes.name
  direction     = "INGRESS"
  priority      = 65000
  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
}

resource "google_compute_firewall" "out_none" {
  name               = "${var.name}-out-none"
  network            = google_compute_network.nodes.name
  direction          = "EGRESS"
  priority           = 0
  destination_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
}

resource "google_compute_firewall" "gateways" {
  name          = "${var.name}-gateways"
  network       = google_compute_network.nodes.name
  direction     = "INGRESS"
  priority      = 1000
  source_ranges = var.allowed_gateway_cidrs

  allow {
    protocol = "tcp"
    ports    = ["8080"]
  }
}

resource "google_compute_firewall" "monitoring" {
  count         = length(var.monitoring_cidrs) > 0 ? 1 : 0
  name          = "${var.name}-monitoring"
  network       = google_compute_network.nodes.name
  direction     = "INGRESS"
  priority      = 1000
  source_ranges = var.monitoring_cidrs

  allow {
    protocol = "tcp"
    ports    = ["8081"]
  }
}

resource "google_compute_network_peering" "to_gateways" {
  count                = var.gateway_network == null ? 0 : 1
  name                 = "${var.name}-nodes-to-gateways"
  network              = google_compute_network.nodes.self_link
  peer_network         = var.gateway_network
  import_custom_routes = false
  export_custom_routes = false
}

resource "google_compute_network_peering" "from_gateways" {
  count                = var.gateway_network == null ? 0 : 1
  name                 = "${var.name}-gateways-to-nodes"
  network              = var.gateway_network
  peer_network         = google_compute_network.nodes.self_link
  import_custom_routes = false
  export_custom_routes = false
}
