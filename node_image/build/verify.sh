#!/usr/bin/env bash
# Builds an image again from what was kept, without a network, elsewhere, under another umask and
# time zone; says whether every file is the same, byte for byte.
#
#   node_image/build/verify.sh --image DIR --keep DIR [--profile base] [--platform simulated-vtpm]
set -euo pipefail
image=
again=()
while (($#)); do
  case $1 in
    --image) image=$(realpath "$2"); shift 2 ;;
    --keep | --profile | --platform) again+=("$1" "$2"); shift 2 ;;
    *) sed -n '5s/^# *//p' "$0" >&2; exit 2 ;;
  esac
done
[[ -e $image/image.json ]] || { echo "verify.sh: no image in '$image'" >&2; exit 2; }
other=$(mktemp -d)
trap 'rm -rf --one-file-system "$other"' EXIT
(umask 077; TZ=Asia/Tokyo TMPDIR=$other "$(dirname "$0")/build.sh" --out "$other/image" --offline "${again[@]}")
rc=0
for file in $(cd "$other/image" && ls); do
  cmp "$image/$file" "$other/image/$file" && echo "same: $file" || rc=1
done
((rc == 0)) && echo "the image is that of its source" || echo "the image is another one" >&2
exit $rc
