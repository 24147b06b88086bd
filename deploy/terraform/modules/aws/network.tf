# A network of the nodes' own: no gateway to anywhere, nothing in but from gateways and monitoring,
# nothing out. The image's own firewall says the same (docs/node-image.md).

resource "aws_vpc" "nodes" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = false
  enable_dns_hostnames = false
  tags                 = merge(local.tags, { Name = "${var.name}-nodes" })
}

resource "aws_subnet" "nodes" {
  vpc_id                  = aws_vpc.nodes.id
  cidr_block              = var.vpc_cidr
  availability_zone       = var.availability_zone
  map_public_ip_on_launch = false
  tags                    = merge(local.tags, { Name = "${var.name}-nodes" })
}

# The VPC's own group, which lets its members talk; nothing is a member, and now nothing would.
resource "aws_default_security_group" "none" {
  vpc_id = aws_vpc.nodes.id
  tags   = local.tags
}

# No egress: answers to what came in go out by themselves.
resource "aws_security_group" "nodes" {
  name_prefix = "${var.name}-nodes-"
  description = "Gateways to 8080, monitoring to 8081, nothing out"
  vpc_id      = aws_vpc.nodes.id
  egress      = []
  tags        = merge(local.tags, { Name = "${var.name}-nodes" })

  ingress {
    description = "sealed requests of gateways"
    protocol    = "tcp"
    from_port   = 8080
    to_port     = 8080
    cidr_blocks = var.allowed_gateway_cidrs
  }

  dynamic "ingress" {
    for_each = length(var.monitoring_cidrs) > 0 ? [var.monitoring_cidrs] : []
    content {
      description = "health and counters"
      protocol    = "tcp"
      from_port   = 8081
      to_port     = 8081
      cidr_blocks = ingress.value
    }
  }
}

resource "aws_vpc_peering_connection" "gateways" {
  count       = var.gateway_vpc == null ? 0 : 1
  vpc_id      = aws_vpc.nodes.id
  peer_vpc_id = var.gateway_vpc
  auto_accept = true
  tags        = merge(local.tags, { Name = "${var.name}-gateways" })
}

# The way back to gateways; there is no other route.
resource "aws_route" "gateways" {
  for_each                  = var.gateway_vpc == null ? toset([]) : toset(concat(var.allowed_gateway_cidrs, var.monitoring_cidrs))
  route_table_id            = aws_vpc.nodes.default_route_table_id
  destination_cidr_block    = each.value
  vpc_peering_connection_id = aws_vpc_peering_connection.gateways[0].id
}
