# Holds the folder of disks to what was asked for: a node with another release or other settings than
# its operator believes is found by clients alone, as a node that nobody trusts.

locals {
  made  = try(jsondecode(file("${var.disks}/disks.json")), null)
  files = { for name, hash in try(local.made.files, {}) : name => { path = "${var.disks}/${name}", sha256 = hash } }

  # Changes with every byte of the host's disk; names made of it are never reused for another.
  host_key  = substr(sha256("${var.release} ${var.host_settings}"), 0, 12)
  image_key = substr(var.image_sha256, 0, 12)
  tags      = { openpcc-service = substr(replace(var.service, ".", "-"), 0, 63), openpcc-release = substr(var.release, 0, 12) }
}

resource "terraform_data" "disks" {
  input = { release = var.release, image = var.image_sha256, host = local.host_key }

  lifecycle {
    precondition {
      condition     = local.made != null
      error_message = "disks: no disks.json in ${var.disks}; make it with python -m deploy.terraform.disks ${local.cloud}."
    }
    precondition {
      condition     = local.made == null || try(local.made.cloud, "") == local.cloud
      error_message = "disks: made for ${try(local.made.cloud, "another cloud")}, and this is ${local.cloud}."
    }
    precondition {
      condition     = local.made == null || try(local.made.release, "") == var.release
      error_message = "disks: made for another release than var.release; make them anew."
    }
    precondition {
      condition     = local.made == null || try(local.made.image_sha256, "") == var.image_sha256
      error_message = "disks: made of another image than var.image_sha256; make them anew."
    }
    precondition {
      condition     = local.made == null || try(local.made.settings_sha256, "") == sha256(var.host_settings)
      error_message = "disks: made with other settings than var.host_settings; make them anew with that host.toml."
    }
    precondition {
      condition     = alltrue([for file in local.files : try(filesha256(file.path) == file.sha256, false)])
      error_message = "disks: a file in ${var.disks} is missing, or is not what disks.json says; make them anew."
    }
  }
}
