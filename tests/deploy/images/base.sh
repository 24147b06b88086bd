#!/usr/bin/env bash
# Stands in for docker.io/library/python:3.13-slim-trixie where no image registry is reachable: the
# same Debian, its own Python 3.13.   base.sh PODMAN NAME
set -euo pipefail
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  trixie - | "$1" import --quiet - "$2"
