# Variables and disks that every node module has; run on the one without a provider, in a second.

run "takes_gateways_anywhere_when_said" {
  command = plan
  variables {
    allowed_gateway_cidrs = ["0.0.0.0/0"]
    allow_any_gateway     = true
  }
}

run "takes_what_init_writes" {
  command = plan
  assert {
    condition     = output.publisher_nodes == "[[nodes]]\nurl = \"http://10.83.0.11:8080\"\n\n[[nodes]]\nurl = \"http://10.83.0.12:8080\"\n"
    error_message = "publisher_nodes: ${output.publisher_nodes}"
  }
  assert {
    condition     = yamldecode(output.chart_values).nodes.external == ["10.83.0.11", "10.83.0.12"]
    error_message = "chart_values: ${output.chart_values}"
  }
}

run "refuses_service_with_space" {
  command = plan
  variables {
    service = "chat example"
  }
  expect_failures = [var.service]
}

run "refuses_service_in_capitals" {
  command = plan
  variables {
    service = "Chat.example"
  }
  expect_failures = [var.service]
}

run "refuses_long_name" {
  command = plan
  variables {
    name = "a23456789012345678901"
  }
  expect_failures = [var.name]
}

run "refuses_name_with_hyphen_at_end" {
  command = plan
  variables {
    name = "pcc-"
  }
  expect_failures = [var.name]
}

run "refuses_no_nodes" {
  command = plan
  variables {
    node_count = 0
  }
  expect_failures = [var.node_count]
}

run "refuses_half_a_node" {
  command = plan
  variables {
    node_count = 1.5
  }
  expect_failures = [var.node_count]
}

run "refuses_too_many_nodes" {
  command = plan
  variables {
    node_count = 65
  }
  expect_failures = [var.node_count]
}

run "refuses_no_gateways" {
  command = plan
  variables {
    allowed_gateway_cidrs = []
  }
  expect_failures = [var.allowed_gateway_cidrs]
}

run "refuses_gateways_anywhere" {
  command = plan
  variables {
    allowed_gateway_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_gateway_cidrs]
}

run "refuses_half_of_the_world" {
  command = plan
  variables {
    allowed_gateway_cidrs = ["128.0.0.0/1"]
  }
  expect_failures = [var.allowed_gateway_cidrs]
}

run "refuses_bits_behind_the_prefix" {
  command = plan
  variables {
    allowed_gateway_cidrs = ["10.0.0.1/24"]
  }
  expect_failures = [var.allowed_gateway_cidrs]
}

run "refuses_ipv6_of_gateways" {
  command = plan
  variables {
    allowed_gateway_cidrs = ["fd00::/64"]
  }
  expect_failures = [var.allowed_gateway_cidrs]
}

run "refuses_no_prefix" {
  command = plan
  variables {
    allowed_gateway_cidrs = ["10.0.0.0"]
  }
  expect_failures = [var.allowed_gateway_cidrs]
}

run "refuses_monitoring_anywhere" {
  command = plan
  variables {
    monitoring_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.monitoring_cidrs]
}

run "refuses_words_for_monitoring" {
  command = plan
  variables {
    monitoring_cidrs = ["everywhere"]
  }
  expect_failures = [var.monitoring_cidrs]
}

run "refuses_settings_on_another_port" {
  command = plan
  variables {
    host_settings = "listen = \"0.0.0.0:9090\"\ncontrol = \"0.0.0.0:8081\"\n"
  }
  expect_failures = [var.host_settings]
}

run "refuses_settings_without_control" {
  command = plan
  variables {
    host_settings = "listen = \"0.0.0.0:8080\"\n"
  }
  expect_failures = [var.host_settings]
}

run "refuses_settings_in_a_comment" {
  command = plan
  variables {
    host_settings = "# listen = \"0.0.0.0:8080\"\ncontrol = \"0.0.0.0:8081\"\n"
  }
  expect_failures = [var.host_settings]
}

run "refuses_settings_too_long" {
  command = plan
  variables {
    host_settings = "listen = \"0.0.0.0:8080\"\ncontrol = \"0.0.0.0:8081\"\n${join("", [for at in range(1024) : format("#%064d", at)])}"
  }
  expect_failures = [var.host_settings]
}

run "refuses_release_in_capitals" {
  command = plan
  variables {
    release = "A4D451EC23463726F72C43D64C710968F6B602CD653B4DE8ADEE1B556240A829"
  }
  expect_failures = [var.release]
}

run "refuses_short_release" {
  command = plan
  variables {
    release = "a4d451ec"
  }
  expect_failures = [var.release]
}

run "refuses_image_that_is_no_digest" {
  command = plan
  variables {
    image_sha256 = "sha256:a4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a8"
  }
  expect_failures = [var.image_sha256]
}

run "refuses_a_folder_without_disks" {
  command = plan
  variables {
    disks = "nowhere"
  }
  expect_failures = [terraform_data.disks]
}

run "refuses_disks_of_another_release" {
  command = plan
  variables {
    release = "b4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a829"
  }
  expect_failures = [terraform_data.disks]
}

run "refuses_disks_of_another_image" {
  command = plan
  variables {
    image_sha256 = "b4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a829"
  }
  expect_failures = [terraform_data.disks]
}

run "refuses_disks_with_other_settings" {
  command = plan
  variables {
    host_settings = "listen = \"0.0.0.0:8080\"\ncontrol = \"0.0.0.0:8081\"\n\n[limits]\ndrain = 60\n"
  }
  expect_failures = [terraform_data.disks]
}
