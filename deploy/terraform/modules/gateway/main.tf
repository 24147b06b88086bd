# Debian 13 or another system with cloud-init, systemd and podman: one role, in its container.

locals {
  ports = { gateway = { listen = 8001, control = 9001 }, relay = { listen = 8000, control = 9000 } }[var.role]

  unit = templatefile("${path.module}/role.service.tftpl", {
    role            = var.role
    container_image = var.container_image
    stop_seconds    = var.stop_seconds
  })
  fetch = templatefile("${path.module}/secrets.sh.tftpl", { secrets = var.secrets, from = var.secrets_from })

  written = merge(
    { "/etc/openpcc/${var.role}.toml" = { content = var.config, mode = "0444" } },
    { for name, text in var.files : "/etc/openpcc/${name}" => { content = text, mode = "0444" } },
    { "/etc/systemd/system/openpcc-${var.role}.service" = { content = local.unit, mode = "0444" } },
    { "/usr/local/sbin/openpcc-secrets" = { content = local.fetch, mode = "0555" } },
  )
}

output "user_data" {
  description = "Cloud-config for the machine. Holds no secret."
  value = join("\n", ["#cloud-config", yamlencode({
    package_update = true
    packages       = ["podman", "curl", "jq"]
    users          = []
    ssh_pwauth     = false
    write_files = [for path, file in local.written : {
      path = path, owner = "root:root", permissions = file.mode, encoding = "b64", content = base64encode(file.content)
    }]
    runcmd = [
      ["systemctl", "mask", "--now", "ssh.service", "ssh.socket"],
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", "--now", "openpcc-${var.role}.service"],
    ]
  })])
}

output "ports" {
  description = "Where the role listens, and where health and counters are; the latter is never public."
  value       = local.ports
}
