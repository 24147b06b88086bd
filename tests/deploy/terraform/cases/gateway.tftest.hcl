variables {
  role            = "gateway"
  container_image = "example/openpcc:1@sha256:a4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a829"
  config          = "listen = \"0.0.0.0:8001\"\ncontrol = \"0.0.0.0:9001\"\n"
  secrets_from    = "gcp"
  secrets         = { "secrets/ohttp-keys.json" = "projects/demo/secrets/ohttp-keys/versions/3" }
}

run "starts_a_relay_without_secrets" {
  command = plan
  variables {
    role         = "relay"
    secrets_from = "files"
    secrets      = {}
    config       = "listen = \"0.0.0.0:8000\"\ncontrol = \"0.0.0.0:9000\"\n"
  }
  assert {
    condition     = output.ports.listen == 8000 && output.ports.control == 9000
    error_message = "a relay's ports"
  }
}

run "refuses_role_with_state" {
  command = plan
  variables {
    role = "publisher"
  }
  expect_failures = [var.role]
}

run "refuses_an_image_without_digest" {
  command = plan
  variables {
    container_image = "example/openpcc:latest"
  }
  expect_failures = [var.container_image]
}

run "refuses_the_relays_port_for_a_gateway" {
  command = plan
  variables {
    config = "listen = \"0.0.0.0:8000\"\ncontrol = \"0.0.0.0:9001\"\n"
  }
  expect_failures = [var.config]
}

run "takes_a_control_port_of_the_machine_itself" {
  command = plan
  variables {
    config = "listen = \"0.0.0.0:8001\"\ncontrol = \"127.0.0.1:9001\"\n"
  }
}

run "refuses_a_control_port_of_another_role" {
  command = plan
  variables {
    config = "listen = \"0.0.0.0:8001\"\ncontrol = \"127.0.0.1:9000\"\n"
  }
  expect_failures = [var.config]
}

run "refuses_a_file_outside" {
  command = plan
  variables {
    files = { "../x" = "text" }
  }
  expect_failures = [var.files]
}

run "refuses_a_private_key_among_files" {
  command = plan
  variables {
    files = { "tls.key" = "-----BEGIN PRIVATE KEY-----" }
  }
  expect_failures = [var.files]
}

run "refuses_a_secret_itself" {
  command = plan
  variables {
    secrets = { "secrets/store.password" = "correct horse" }
  }
  expect_failures = [var.secrets]
}

run "refuses_a_secret_without_version" {
  command = plan
  variables {
    secrets = { "secrets/store.password" = "projects/demo/secrets/store" }
  }
  expect_failures = [var.secrets]
}

run "refuses_another_keeper" {
  command = plan
  variables {
    secrets_from = "vault"
  }
  expect_failures = [var.secrets_from]
}

run "refuses_no_time_to_stop" {
  command = plan
  variables {
    stop_seconds = 5
  }
  expect_failures = [var.stop_seconds]
}

run "refuses_a_secret_anywhere" {
  command = plan
  variables {
    secrets = { "../shadow" = "projects/demo/secrets/store/versions/1" }
  }
  expect_failures = [var.secrets]
}

run "refuses_a_configuration_whose_secrets_are_not_named" {
  command = plan
  variables {
    config = "listen = \"0.0.0.0:8001\"\ncontrol = \"0.0.0.0:9001\"\ntls_key = \"tls/tls.key\"\n"
  }
  expect_failures = [var.secrets]
}
