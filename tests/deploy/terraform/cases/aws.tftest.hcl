# The real provider; nothing is asked of any account.

provider "aws" {
  region                      = "us-east-2"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

run "makes_confidential_nodes" {
  command = plan
  assert {
    condition     = output.addresses == ["10.82.0.4", "10.82.0.5"] && length(output.policy.platforms) == 0
    error_message = "nodes have the addresses that were asked for, and no platform is promised"
  }
  assert {
    condition     = alltrue([for one in aws_instance.node : one.cpu_options[0].amd_sev_snp == "enabled"])
    error_message = "every node is an SEV-SNP machine"
  }
  assert {
    condition     = alltrue([for one in aws_instance.node : one.metadata_options[0].http_endpoint == "disabled" && one.associate_public_ip_address == false && one.hibernation == false])
    error_message = "a node has no metadata service and no address outside"
  }
  assert {
    condition     = alltrue([for one in aws_instance.node : one.maintenance_options[0].auto_recovery == "disabled"])
    error_message = "a node is never moved by itself"
  }
  assert {
    condition     = aws_ami.node.boot_mode == "uefi" && aws_ami.node.tpm_support == "v2.0"
    error_message = "the image boots by UEFI"
  }
  assert {
    condition     = length(aws_s3_object.disk) == 2 && alltrue([for one in values(aws_ebs_snapshot_import.disk) : one.disk_container[0].format == "RAW"])
    error_message = "both disks are uploaded and imported"
  }
}

run "is_closed_but_for_gateways_and_monitoring" {
  command = plan
  assert {
    condition     = length(aws_security_group.nodes.egress) == 0
    error_message = "nothing goes out"
  }
  assert {
    condition     = jsonencode({ for one in aws_security_group.nodes.ingress : one.from_port => one.cidr_blocks if one.from_port == one.to_port }) == jsonencode({ 8080 = ["10.90.0.0/24"], 8081 = ["10.91.0.16/28"] }) && length(aws_security_group.nodes.ingress) == 2
    error_message = "gateways reach 8080, monitoring 8081"
  }
}

run "takes_snapshots_of_before" {
  command = plan
  variables {
    snapshots   = { node = "snap-0123456789abcdef0", host = "snap-0123456789abcdef1" }
    gateway_vpc = "vpc-0123456789abcdef0"
  }
  assert {
    condition     = length(aws_s3_bucket.disks) == 0 && length(aws_ebs_snapshot_import.disk) == 0
    error_message = "nothing is uploaded"
  }
  assert {
    condition     = toset(keys(aws_route.gateways)) == toset(["10.90.0.0/24", "10.91.0.16/28"])
    error_message = "there is a way back to gateways and monitoring, and nowhere else"
  }
}

run "refuses_what_is_none_of_these" {
  command = plan
  variables {
    availability_zone = "us-east-2"
    instance_type     = "m7i.2xlarge"
    vpc_cidr          = "10.82.0.1/24"
    snapshots         = { node = "node", host = "host" }
    gateway_vpc       = "gateways"
    disk_gib          = 9
  }
  expect_failures = [var.availability_zone, var.instance_type, var.vpc_cidr, var.snapshots, var.gateway_vpc, var.disk_gib]
}

run "refuses_a_vpc_too_wide" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/8"
  }
  expect_failures = [var.vpc_cidr]
}

run "refuses_a_vpc_without_room" {
  command = plan
  variables {
    vpc_cidr = "10.82.0.0/29"
  }
  expect_failures = [var.vpc_cidr]
}

run "refuses_disks_of_another_release" {
  command = plan
  variables {
    release = "b4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a829"
  }
  expect_failures = [terraform_data.disks]
}
