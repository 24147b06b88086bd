# No provider: user data is the same text wherever cloud-init reads it.

terraform {
  required_version = ">= 1.9, < 2.0"
}
