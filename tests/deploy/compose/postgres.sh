#!/bin/sh
# What the published image does: make the database once, with the password of the file, then run.
set -eu
data=/var/lib/postgresql/data
bin=$(echo /usr/lib/postgresql/*/bin)
if [ ! -e "$data/PG_VERSION" ]; then
  "$bin/initdb" -D "$data" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
    --auth-host=scram-sha-256 --auth-local=trust >/dev/null
  echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
  "$bin/postgres" --single -D "$data" postgres >/dev/null <<SQL
CREATE DATABASE $POSTGRES_DB;
SQL
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql
