#!/usr/bin/env bash
# Makes an image again, of exactly the files of its lock, without a network, elsewhere, under another
# umask and time zone, tools and all; says whether every file is the same, byte for byte.
#
#   node_image/build/verify.sh --image DIR --keep DIR
set -euo pipefail
image=
again=()
while (($# > 1)); do
  case $1 in
    --image) image=$(realpath "$2") ;;
    --keep) again+=("$1" "$2") ;;
    *) break ;;
  esac
  shift 2
done
[[ $# == 0 ]] || { sed -n '5s/^# *//p' "$0" >&2; exit 2; }
[[ -e $image/image.json ]] || { echo "verify.sh: no image in '$image'" >&2; exit 2; }
for option in profile platform; do
  again+=("--$option" "$(sed -n "s/^$option=\([a-z-]*\)$/\1/p" "$image/options.txt")")
done
# What its signers signed is made again, too: of the same machines, commit and end.
[[ ! -e $image/machines.json ]] || again+=(--machines "$image/machines.json")
if [[ -e $image/release.toml ]]; then
  said() { sed -n "/^\[source\]/,\$s/^$1 = \"\(.*\)\"/\1/p" "$image/release.toml" | head -n 1; }
  # The commit is the image's own word until it is what is checked out here.
  here=$(git -C "$(dirname "$0")" rev-parse HEAD 2>/dev/null) || here="no checkout"
  if [[ $here != "$(said commit)" || $(git -C "$(dirname "$0")" status --porcelain) ]]; then
    echo "verify.sh: release.toml says commit $(said commit); here is $here, or changed files: check that commit out" >&2
    exit 2
  fi
  again+=(--source "$(said uri)" --commit "$(said commit)"
    --expires "$(sed -n 's/^expires = //p' "$image/release.toml")")
fi
other=$(mktemp -d)
trap 'rm -rf --one-file-system "$other"' EXIT
(umask 077; TZ=Asia/Tokyo TMPDIR=$other "$(dirname "$0")/build.sh" --out "$other/image" --lock "$image/lock.json" "${again[@]}")
rc=0
while read -r file; do
  cmp "$image/$file" "$other/image/$file" && echo "same: $file" || rc=1
done < <(cd "$other/image" && find . -type f -printf '%P\n' | sort)
((rc == 0)) && echo "the image is that of its source" || echo "the image is another one" >&2
exit $rc
