#!/usr/bin/env bash
# Stands in for the images of PostgreSQL, Valkey and Prometheus where no image registry is reachable:
# Debian's packages, started as the published images are.   others.sh PODMAN
set -euo pipefail
mmdebstrap --quiet --variant=minbase --include=postgresql,valkey-server,prometheus,wget \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='copy-in '"$(dirname "$0")"'/postgres.sh /usr/local/bin' \
  --customize-hook='chroot "$1" usermod -u 999 postgres' \
  --customize-hook='chroot "$1" install -d -o 999 -g 999 -m 0700 /var/lib/postgresql/data' \
  --customize-hook='chroot "$1" install -d -o 999 -g 1000 -m 0700 /data' \
  --customize-hook='chroot "$1" install -d -o 65534 -g 65534 -m 0755 /prometheus' \
  --customize-hook='rm -rf "$1/var/lib/postgresql/17"' \
  trixie - | "$1" import --quiet - localhost/others
make() { "$1" build --quiet --tag "localhost/$2" - <<<"$3"; }
make "$1" postgres 'FROM localhost/others
ENTRYPOINT ["sh", "/usr/local/bin/postgres.sh"]'
make "$1" valkey 'FROM localhost/others'
make "$1" prometheus 'FROM localhost/others
ENTRYPOINT ["/usr/bin/prometheus"]'
