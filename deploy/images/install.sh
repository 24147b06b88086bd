#!/bin/sh
# Runs in the build stage. Makes /opt/openpcc, an environment that has no pip of its own.
#
#   install.sh dependencies server|node   what the lock lists, by its hashes, wheels alone
#   install.sh openpcc server|node        our wheel, made here from the context
#   install.sh engine embedded|vllm       /opt/vllm, for vllm
set -eu
cd /src
pip() { /build/bin/python -m pip --disable-pip-version-check --no-cache-dir -q "$@"; }

case "$1" in
dependencies)
  python3 -m venv /build
  pip install --require-hashes --only-binary :all: -r deploy/images/build.lock
  python3 -m venv --without-pip /opt/openpcc
  pip --python /opt/openpcc/bin/python install --require-hashes --only-binary :all: \
    -r "deploy/images/$2.lock"
  ;;
openpcc)
  /build/bin/python -m hatchling build -t wheel -d /dist
  case "$2" in
  server) extras=cli,proxy,gateway,issuer,log ;;
  node) extras=node,embedded ;;
  esac
  # With its extras and from nowhere: a package that the lock lacks ends the build.
  PIP_FIND_LINKS='' pip --python /opt/openpcc/bin/python install --no-index \
    "$(echo /dist/*.whl)[$extras]"
  ;;
engine)
  if [ "$2" = vllm ]; then
    python3 -m venv --without-pip /opt/vllm
    pip --python /opt/vllm/bin/python install -r requirements/vllm.txt
    # As `make vllm`: GPU builds that break beside a CPU torch.
    pip --python /opt/vllm/bin/python uninstall -y torchvision torchaudio torchcodec triton
  fi
  ;;
esac
