output "addresses" {
  description = "IPv4 addresses of the nodes, in their own network."
  value       = local.addresses
}

output "publisher_nodes" {
  description = "The list of nodes for publisher.toml (docs/discovery.md)."
  value       = join("\n", [for one in local.addresses : "[[nodes]]\nurl = \"http://${one}:8080\"\n"])
}

output "policy" {
  description = "What the client's policy says about these machines; ids of machines are seen in their evidence, after the first start."
  value       = { platforms = local.platforms, machines = [] }
}

output "chart_values" {
  description = "Values of the Helm chart: gateways in a cluster find these nodes at its headless service."
  value       = yamlencode({ nodes = { external = local.addresses } })
}
