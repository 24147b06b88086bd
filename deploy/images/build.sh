#!/usr/bin/env bash
# Builds the two images with podman (or ENGINE=docker):
#
#   deploy/images/build.sh --base-digest sha256:… [--base NAME] [--tag TAG] [--wheels DIR]
#                          [--engine embedded|vllm] [server] [node]
#
# The base is docker.io/library/python:3.13-slim-trixie if none is named; a base from a registry has
# to be pinned by its digest. With --wheels nothing is fetched: the folder holds what the locks list
# (pip download --require-hashes --only-binary :all: -r deploy/images/server.lock …).
set -euo pipefail
cd "$(dirname "$0")/../.."
engine=${ENGINE:-podman}
base=docker.io/library/python:3.13-slim-trixie digest='' tag=latest wheels='' runs=embedded
kinds=()

refuse() {
  echo "build.sh: $1" >&2
  exit 2
}

while (($#)); do
  case "$1" in
  --base) base=$2 && shift ;;
  --base-digest) digest=$2 && shift ;;
  --tag) tag=$2 && shift ;;
  --wheels) wheels=$(realpath "$2") && shift ;;
  --engine) runs=$2 && shift ;;
  server | node) kinds+=("$1") ;;
  *) refuse "$1: unknown; its first lines say what there is" ;;
  esac
  shift
done
if [[ $base != localhost/* && ! $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
  refuse "--base-digest: pin $base by its sha256:…; skopeo inspect docker://$base prints it"
fi

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
options=(
  --build-arg "BASE=$base" --build-arg "BASE_DIGEST=$digest"
  --build-arg "VERSION=$version" --build-arg "REVISION=$revision"
)
if [[ $engine == *podman || $engine == *buildah ]]; then
  # Settings that Docker would call unknown: no name of a builder, no time but the commit's.
  options+=(--format oci --layers --timestamp "$(git log -1 --format=%ct 2>/dev/null || echo 0)")
fi
if [[ $wheels ]]; then
  options+=(--network none --volume "$wheels:/wheels:ro"
    --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/wheels)
fi

for kind in "${kinds[@]:-server node}"; do
  for one in $kind; do
    only=()
    [[ $one == node ]] && only=(--build-arg "ENGINE=$runs")
    "$engine" build -q -f "deploy/images/Containerfile.$one" "${options[@]}" "${only[@]}" \
      -t "localhost/openpcc-$one:$tag" .
  done
done
