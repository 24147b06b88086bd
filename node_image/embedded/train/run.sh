#!/bin/sh
# Rebuild the demonstration model (make embedded-model). About 40 minutes on one core; needs the
# package index once. The result is not bit for bit the committed one: training stops by the clock.
#
#   PYTHON   interpreter whose documentation is read and which trains (default python3)
#   MINUTES  how long to train (default 35)
#   STDLIBS  more standard libraries to read, as "NAME=FOLDER NAME=FOLDER"
#   WORK     where the environment and the corpus go (default: a new temporary folder)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
python=${PYTHON:-python3}
work=${WORK:-$(mktemp -d)}
umask 022

"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q --disable-pip-version-check -r "$here/requirements.txt"
own=$("$python" -c 'import sys, sysconfig
print("cpython-%d.%d.%d=%s" % (*sys.version_info[:3], sysconfig.get_path("stdlib")))')
cd "$root"
set -- --stdlib "$own"
for more in ${STDLIBS:-}; do set -- "$@" --stdlib "$more"; done
"$work/venv/bin/python" -m node_image.embedded.train.corpus \
    --out "$work/corpus" --manifest "$here/manifest.json" "$@"
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" -m node_image.embedded.train.train \
    --corpus "$work/corpus" --out "$here/../model" --manifest "$here/manifest.json" \
    --minutes "${MINUTES:-35}"
echo "model written to node_image/embedded/model; corpus and environment are in $work"
