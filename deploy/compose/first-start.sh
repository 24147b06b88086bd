#!/usr/bin/env bash
# Begins a service on this machine, once:   deploy/compose/first-start.sh DIR
#
# DIR is what `openpcc init --kind compose` wrote. Every holder's part is done here, on one machine:
# this is a trial. README.md says which steps belong to whom in a service that somebody relies on.
#
#   1 log       hand its folders over, begin log and witnesses, start them
#   2 release   measure the node's image, sign what came out, log it
#   3 status    list that release
#   4 service   hand the other folders over, begin publisher and issuer, start everything
#   5 account   with tokens: one account, its credential beside the client's configuration
#
# ENGINE=docker COMPOSE="docker compose" for Docker; podman and podman-compose without. Whatever has
# begun refuses to begin again, so after a failure start with a new DIR (and `down -v`).
set -euo pipefail
here=$(realpath "$(dirname "$0")")
dir=$(realpath "${1:?name the folder of openpcc init}")
env=$dir/operator/compose/.env
engine=${ENGINE:-podman}
read -ra compose <<<"${COMPOSE:-podman-compose}"
compose+=(--env-file "$env" -f "$here/compose.yaml")

say() { echo "first-start: $*" >&2; }
value() { sed -n "s/^$1=//p" "$env" | tail -1; }
tokens=$(value COMPOSE_PROFILES | grep -cw tokens || true)
node_image=$(value OPENPCC_NODE_IMAGE)
node_image=${node_image:-localhost/openpcc-node:latest}
port=$(value LOG_LISTEN)
port=${port##*:}
log=http://127.0.0.1:${port:-8090}

own() { # WHO PATH…, below DIR: to the user that the container runs as
  local who=$1
  shift
  if [[ $(id -u) == 0 ]]; then
    (cd "$dir" && chown -R "$who" "$@")
  else
    "$engine" run --rm --network none --user 0 -v "$dir:/dir" -w /dir "$node_image" \
      chown -R "$who" "$@"
  fi
}

once() { # SERVICE COMMAND…: in a container of its own, before the service runs
  "${compose[@]}" run --rm -T --no-deps "$@"
}

wait_ready() { # SERVICE PORT…
  local deadline=$((SECONDS + ${PATIENCE:-180}))
  while (($#)); do
    until "${compose[@]}" exec -T "$1" openpcc-ready "$2" >/dev/null 2>&1; do
      if ((SECONDS > deadline)); then
        say "$1 is not ready; look at: ${compose[*]} logs $1"
        exit 1
      fi
      sleep 1
    done
    shift 2
  done
}

if [[ -e $dir/operator/nodes/release ]]; then
  say "$dir has begun already; start it with: ${compose[*]} up -d"
  exit 2
fi

say 1 log
own 65532:65532 witness-1 witness-2 witness-3 operator/log
for number in 1 2 3; do
  once "witness-$number" openpcc-witness init --config /etc/openpcc/witness.toml
done
once log openpcc-log init --config /etc/openpcc/log.toml
"${compose[@]}" up -d witness-1 witness-2 witness-3 log
wait_ready log 9090

say 2 release
"$engine" run --rm --network none --read-only --cap-drop ALL \
  "$node_image" openpcc-measure >"$dir/operator/simulated.toml"
cat "$dir/operator/simulated.toml" >>"$dir/operator/release.toml"
send=(--to "$log" --token-file "$dir/status-signer-1/log.token")
openpcc-log publish "$dir/operator/release.toml" --out "$dir/operator/release.json" --yes \
  --policy "$dir/release-signer-1/policy.toml" --key "$dir/release-signer-1/release.key" \
  "${send[@]}" --proof "$dir/operator/publisher/release.proof" --leaf "$dir/operator/nodes/release"

say 3 status
openpcc-log status --first --accept "$dir/operator/publisher/release.proof" --yes \
  --policy "$dir/status-signer-1/policy.toml" --key "$dir/status-signer-1/status.key" \
  --out "$dir/status-signer-1/newest.json" "${send[@]}"

say 4 service
own 65532:65532 status-signer-1 relay operator/publisher operator/gateway operator/nodes tls
once publisher openpcc-gateway publisher-init --config /etc/openpcc/publisher.toml
if ((tokens)); then
  own 65532:65532 operator/issuer
  own 999:999 operator/postgres
  own 999:1000 operator/valkey
  "${compose[@]}" up -d postgres valkey
  until once issuer openpcc-issuer init --config /etc/openpcc/issuer.toml; do
    ((SECONDS < ${PATIENCE:-180})) || exit 1
    sleep 2
  done
fi
"${compose[@]}" up -d
# Gateways are ready when there is a publication, and that is when the nodes are.
wait_ready relay 9000 gateway-1 9001 gateway-2 9001

if ((tokens)); then
  say 5 account
  wait_ready issuer 9003
  (umask 077 && "${compose[@]}" exec -T issuer \
    openpcc-issuer account add trial --config /etc/openpcc/issuer.toml >"$dir/public/credential")
fi
say "ready: openpcc nodes --config $dir/public/client.toml"
