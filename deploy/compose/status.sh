#!/bin/sh
# Renews the status: the same list of releases anew, every half hour; clients take none older than
# two hours. Runs in the folder of the status signer. `status.sh fresh` says whether it goes well.
#
# An entry is written before it is sent, and its number is spent with its signature. So what could
# not be sent is sent again as it is; it is never signed anew (docs/keys.md).
set -u
cd /var/lib/openpcc || exit 1
LOG=${STATUS_LOG:-http://127.0.0.1:8090}
EVERY=${STATUS_EVERY:-1800}

if [ "${1:-}" = fresh ]; then
  [ -n "$(find renewed -mmin -100 2>/dev/null)" ]
  exit
fi

send() { openpcc-log status "$@" --policy policy.toml --to "$LOG" --token-file log.token; }

renew() {
  if [ -e next.json ]; then
    send next.json
  else
    send --repeat --yes --key status.key --out next.json
  fi && mv next.json newest.json && touch renewed
}

trap 'exit 0' TERM INT
pause() { sleep "$1" & wait $!; }
while renew; do pause "$EVERY"; done
# Started anew by the restart policy, in the network that the log has by then.
pause 30
exit 1
