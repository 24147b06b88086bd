# The machines: SEV-SNP, no role, no key, no metadata service, no address outside.

locals {
  cloud = "aws"
  # Amazon's firmware is in the launch digest, the image is not: examples/aws/README.md.
  platforms = []
  addresses = aws_instance.node[*].private_ip
}

resource "aws_instance" "node" {
  count                                = var.node_count
  ami                                  = aws_ami.node.id
  instance_type                        = var.instance_type
  subnet_id                            = aws_subnet.nodes.id
  private_ip                           = cidrhost(var.vpc_cidr, count.index + 4)
  vpc_security_group_ids               = [aws_security_group.nodes.id]
  associate_public_ip_address          = false
  source_dest_check                    = true
  ebs_optimized                        = true
  monitoring                           = false
  hibernation                          = false
  instance_initiated_shutdown_behavior = "stop"
  user_data_replace_on_change          = true
  tags                                 = merge(local.tags, { Name = "${var.name}-node-${count.index + 1}" })

  cpu_options {
    amd_sev_snp = "enabled"
  }

  # Nothing in the image asks it, and what is not there cannot be misused.
  metadata_options {
    http_endpoint = "disabled"
    http_tokens   = "required"
  }

  # A machine moved by the cloud would start anew in any case; it is started when its operator says so.
  maintenance_options {
    auto_recovery = "disabled"
  }

  root_block_device {
    volume_size           = var.disk_gib
    volume_type           = "gp3"
    encrypted             = true
    delete_on_termination = true
  }

  ebs_block_device {
    device_name           = "/dev/sdh"
    snapshot_id           = local.snapshots.host
    volume_type           = "gp3"
    encrypted             = true
    delete_on_termination = true
  }
}
