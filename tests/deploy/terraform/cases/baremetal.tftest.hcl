run "refuses_another_platform" {
  command = plan
  variables {
    platform = "sev"
  }
  expect_failures = [var.platform]
}

run "refuses_too_few_addresses" {
  command = plan
  variables {
    addresses = ["10.83.0.11"]
  }
  expect_failures = [var.addresses]
}

run "refuses_an_address_twice" {
  command = plan
  variables {
    addresses = ["10.83.0.11", "10.83.0.11"]
  }
  expect_failures = [var.addresses]
}

run "refuses_addresses_of_ipv6" {
  command = plan
  variables {
    addresses = ["fd00::1", "fd00::2"]
  }
  expect_failures = [var.addresses]
}

run "refuses_no_processor" {
  command = plan
  variables {
    cpus = 0
  }
  expect_failures = [var.cpus]
}

run "refuses_another_processor" {
  command = plan
  variables {
    cpu = "EPYC-Rome"
  }
  expect_failures = [var.cpu]
}

run "refuses_little_memory" {
  command = plan
  variables {
    memory_gib = 1
  }
  expect_failures = [var.memory_gib]
}

run "refuses_markup_in_bridge" {
  command = plan
  variables {
    bridge = "br0'/>"
  }
  expect_failures = [var.bridge]
}

run "refuses_markup_in_folder" {
  command = plan
  variables {
    image_folder = "/a/<b>"
  }
  expect_failures = [var.image_folder]
}

run "refuses_steps_up" {
  command = plan
  variables {
    image_folder = "/a/../b"
  }
  expect_failures = [var.image_folder]
}

run "refuses_relative_firmware" {
  command = plan
  variables {
    firmware = "OVMF.fd"
  }
  expect_failures = [var.firmware]
}

run "refuses_gpus_of_some_nodes" {
  command = plan
  variables {
    gpus = [["0000:41:00.0"]]
  }
  expect_failures = [var.gpus]
}

run "refuses_a_gpu_of_two_nodes" {
  command = plan
  variables {
    gpus = [["0000:41:00.0"], ["0000:41:00.0"]]
  }
  expect_failures = [var.gpus]
}

run "refuses_half_an_address_of_a_gpu" {
  command = plan
  variables {
    gpus = [["41:00.0"], ["42:00.0"]]
  }
  expect_failures = [var.gpus]
}

run "refuses_markup_in_socket" {
  command = plan
  variables {
    quote_socket = "/run/'"
  }
  expect_failures = [var.quote_socket]
}
