# The two disks, as images: the node's as built, and the host's settings in a partition of their own.
# Nothing in them is secret; the bucket is closed because nobody needs it open.

resource "google_storage_bucket" "disks" {
  name                        = "${var.project}-${var.name}-disks"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
  labels                      = local.tags
}

resource "google_storage_bucket_object" "disk" {
  for_each   = { node = local.image_key, host = local.host_key }
  bucket     = google_storage_bucket.disks.name
  name       = "${each.key}-${each.value}.tar.gz"
  source     = local.files["${each.key}.tar.gz"].path
  depends_on = [terraform_data.disks]
}

resource "google_compute_image" "node" {
  name              = "${var.name}-node-${local.image_key}"
  storage_locations = [var.region]
  labels            = local.tags

  raw_disk {
    source = "https://storage.googleapis.com/${google_storage_bucket.disks.name}/${google_storage_bucket_object.disk["node"].name}"
  }

  dynamic "guest_os_features" {
    for_each = ["UEFI_COMPATIBLE", "GVNIC", "TDX_CAPABLE", "SEV_SNP_CAPABLE"]
    content {
      type = guest_os_features.value
    }
  }
}

resource "google_compute_image" "host" {
  name              = "${var.name}-host-${local.host_key}"
  storage_locations = [var.region]
  labels            = local.tags

  raw_disk {
    source = "https://storage.googleapis.com/${google_storage_bucket.disks.name}/${google_storage_bucket_object.disk["host"].name}"
  }
}
