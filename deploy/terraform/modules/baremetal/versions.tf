# No provider: libvirt's is nobody's of the vendors, and the hosts are the operator's own. Templates
# become outputs, which examples/baremetal/define.sh hands to libvirt.

terraform {
  required_version = ">= 1.9, < 2.0"
}
