#!/usr/bin/env bash
# Hands what Terraform made to libvirt on one host: the filter, and the domains of the nodes named.
#
#   define.sh HOST NODE...      by ssh, to qemu+ssh://HOST/system; defines, does not start
#   define.sh --print FOLDER    writes the files, checks them by libvirt's schemas, and goes nowhere
#
# HOST needs a libvirt that knows the launch security, and the files of the image folder.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
output() { terraform -chdir="$here" output -json "$1"; }

# Writes filter.xml and NODE.xml; says the names of the nodes.
write() {
  output filter | jq -er . >"$1/filter.xml"
  output domains >"$1/domains.json"
  jq -er 'keys[]' "$1/domains.json" | while read -r node; do
    jq -er --arg node "$node" '.[$node]' "$1/domains.json" >"$1/$node.xml"
    echo "$node"
  done
  rm "$1/domains.json"
}

if [[ ${1-} == --print && $# == 2 ]]; then
  mkdir -p "$2"
  write "$2"
  command -v virt-xml-validate xmllint >/dev/null || { echo "define.sh: not checked: no virt-xml-validate, xmllint" >&2; exit 0; }
  virt-xml-validate "$2/filter.xml" nwfilter
  # A libvirt older than the hardware does not know its launch security.
  for file in "$2"/*.xml; do
    [[ $file == */filter.xml ]] || virt-xml-validate "$file" domain || echo "define.sh: $file: see above" >&2
  done
  exit 0
fi
(($# >= 2)) && [[ $1 != -* ]] || { sed -n '4,5s/^#  *//p' "$0" >&2; exit 2; }
host=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
write "$folder" >"$folder/nodes"
for node in "$@"; do
  grep -qxF -- "$node" "$folder/nodes" || { echo "define.sh: no node $node; there are:" >&2; cat "$folder/nodes" >&2; exit 2; }
done
# The disks on the host are those of the release, or nothing is defined. Kernel image and firmware of
# a direct boot are not looked at here: the hardware measures them, and clients refuse others.
output files | jq -er 'to_entries[] | "\(.value)  \(.key)"' | ssh -- "$host" sha256sum --check --strict --quiet
virsh() { command virsh --connect "qemu+ssh://$host/system" "$@"; }
virsh nwfilter-define "$folder/filter.xml"
for node in "$@"; do
  virsh define --validate "$folder/$node.xml"
done
echo "define.sh: defined; start with: virsh --connect qemu+ssh://$host/system start NODE"
