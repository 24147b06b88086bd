# The two disks as snapshots: imported from a bucket, or named. Nothing in them is secret.

locals {
  import = var.snapshots == null
  snapshots = local.import ? {
    node = aws_ebs_snapshot_import.disk["node"].id
    host = aws_ebs_snapshot_import.disk["host"].id
  } : var.snapshots
}

resource "aws_s3_bucket" "disks" {
  count         = local.import ? 1 : 0
  bucket_prefix = "${var.name}-disks-"
  force_destroy = true
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "disks" {
  count                   = local.import ? 1 : 0
  bucket                  = aws_s3_bucket.disks[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_object" "disk" {
  for_each    = local.import ? { node = local.image_key, host = local.host_key } : {}
  bucket      = aws_s3_bucket.disks[0].id
  key         = "${each.key}-${each.value}.raw"
  source      = local.files["${each.key}.raw"].path
  source_hash = local.files["${each.key}.raw"].sha256
  depends_on  = [terraform_data.disks, aws_s3_bucket_public_access_block.disks]
}

resource "aws_ebs_snapshot_import" "disk" {
  for_each    = local.import ? toset(["node", "host"]) : toset([])
  description = "${var.name} ${each.key}"
  role_name   = var.import_role
  tags        = merge(local.tags, { Name = "${var.name}-${each.key}" })

  disk_container {
    format = "RAW"
    user_bucket {
      s3_bucket = aws_s3_bucket.disks[0].id
      s3_key    = aws_s3_object.disk[each.key].key
    }
  }
}

resource "aws_ami" "node" {
  name                = "${var.name}-node-${local.image_key}"
  architecture        = "x86_64"
  virtualization_type = "hvm"
  boot_mode           = "uefi"
  tpm_support         = "v2.0"
  imds_support        = "v2.0"
  ena_support         = true
  root_device_name    = "/dev/xvda"
  tags                = local.tags
  depends_on          = [terraform_data.disks]

  ebs_block_device {
    device_name           = "/dev/xvda"
    snapshot_id           = local.snapshots.node
    volume_type           = "gp3"
    delete_on_termination = true
  }
}
