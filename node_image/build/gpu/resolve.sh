#!/usr/bin/env bash
# Resolves the Debian packages of profile gpu, downloads none of them, and prints them.
#
#   node_image/build/gpu/resolve.sh >node_image/build/gpu/packages.txt
#
# Against an empty Debian 13, as mkosi installs it, from the archives that this machine's apt knows.
# Needs `apt-get update` to have run here; root is not needed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# Values of a list of mkosi's (`Packages`, `BuildPackages`) in its files.
values() {
  local key=$1
  shift
  awk -v key="$key" '/^[^ #\t]/ { at = ($0 == key "=") } at && /^[ \t]/ { print $1 }' "$@"
}

mkdir -p "$root"/{lists/partial,cache/archives/partial,etc}
: >"$root/status"
apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(LABEL)' 'Created-By: Packages' | sort -u |
  while read -r origin uri label; do
    case "$origin $label" in
      "Debian Debian") suites=(trixie trixie-updates) ;;
      "Debian Debian-Security") suites=(trixie-security) ;;
      *) continue ;;
    esac
    for suite in "${suites[@]}"; do
      echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main contrib non-free non-free-firmware"
    done
  done >"$root/etc/sources.list"
[[ -s $root/etc/sources.list ]] || { echo "resolve.sh: apt knows no archive of Debian; run apt-get update" >&2; exit 1; }

options=(-q -o "Dir::State::Lists=$root/lists" -o "Dir::State::status=$root/status" -o "Dir::Cache=$root/cache"
  -o "Dir::Etc::SourceList=$root/etc/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
  -o Dir::Etc::Preferences=/dev/null -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Install-Recommends=false
  -o Acquire::Languages=none -o Debug::NoLocking=true -o APT::Sandbox::User=)
apt-get "${options[@]}" update >&2

# One list for each: what the image has, and what is needed beside it to make the modules.
simulate() { apt-get "${options[@]}" --simulate install "$@" | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1 \2/p' | LC_ALL=C sort; }
mapfile -t image < <(values Packages mkosi.conf mkosi.profiles/gpu/mkosi.conf)
mapfile -t build < <(values BuildPackages mkosi.profiles/gpu/mkosi.conf)
essential=(dpkg libc6 base-files)
echo "# Debian packages of profile gpu (resolve.sh); of the modules' build after the empty line."
simulate "${essential[@]}" "${image[@]}" >"$root/image"
cat "$root/image"
echo
LC_ALL=C comm -13 "$root/image" <(simulate "${essential[@]}" "${image[@]}" "${build[@]}")
