#!/usr/bin/env bash
# Makes the bundle: engine and model, on a disk of their own under dm-verity (docs/formats.md, 12.3).
#
#   node_image/build/bundle.sh --out DIR --keep DIR --model FOLDER [--name NAME] [--wheels LIST] [--offline]
#       [--tools TREE]
#
#   --out     gets bundle.raw, bundle.json, lock.json and the model's manifest; must be empty or missing
#   --keep    that of build.sh: what was downloaded is kept there
#   --model   its files, and no others; --name is how it is served (left out: the folder's name)
#   --wheels  the engine's packages, by hash; left out: the image's own engine runs the model
#   --tools   where mkfs.erofs and veritysetup are (left out: build.sh's tree in --keep; /: this machine's)
#
# The same files and tools give the same bytes, wherever, whenever and whoever makes them.
set -euo pipefail
recipe=node_image/build
python=${PYTHON:-.venv/bin/python}
out= keep= model= name= wheels= tools= offline=

usage() { sed -n '4,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
die() { echo "bundle.sh: $*" >&2; exit 1; }
while (($#)); do
  case $1 in
    --out) out=$(realpath -m "${2:?}"); shift 2 ;;
    --keep) keep=$(realpath -m "${2:?}"); shift 2 ;;
    --model) model=$(realpath "${2:?}"); shift 2 ;;
    --name) name=$2; shift 2 ;;
    --wheels) wheels=$(realpath "${2:?}"); shift 2 ;;
    --tools) tools=$(realpath "${2:?}"); shift 2 ;;
    --offline) offline=1; shift ;;
    *) usage ;;
  esac
done
[[ $out && $keep && $model ]] || usage
cd "$(dirname "$0")/../.."
name=${name:-$(basename "$model")}
[[ $name =~ ^[a-z0-9][a-z0-9.-]{0,63}$ ]] || die "$name: name the model in a-z 0-9 . -"
tools=${tools:-$keep/tools}
[[ -x $tools/usr/bin/mkfs.erofs ]] || die "no mkfs.erofs in $tools; build.sh makes a tree with it"
[[ -z $(ls -A "$out" 2>/dev/null) ]] || die "$out is not empty"
mkdir -p "$out/models" "$keep/wheels"
umask 022
export LC_ALL=C.UTF-8 TZ=UTC
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir -p "$work"/{tree/models,wheels}

# 1. the model
cp -rL "$model" "$work/tree/models/$name"
"$python" -m node_image.measure model "$work/tree/models/$name" >"$out/models/$name.json"

# 2. the engine: an environment of the image's interpreter, which is neither in it nor changed by it
if [[ $wheels ]]; then
  if [[ ! $offline ]]; then
    glibc=(); for minor in {41..17}; do glibc+=(--platform "manylinux_2_${minor}_x86_64"); done
    "$python" -m pip download -q --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
      --implementation cp --python-version 3.13 --abi cp313 --abi abi3 --abi none \
      "${glibc[@]}" --platform manylinux2014_x86_64 --platform manylinux1_x86_64 -r "$wheels" -d "$keep/wheels"
  fi
  "$python" $recipe/wheels.py "$wheels" "$keep/wheels" "$work/wheels"
  engine=$work/tree/engine site=$work/tree/engine/lib/python3.13/site-packages
  mkdir -p "$engine/bin" "$site"
  printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13\n' >"$engine/pyvenv.cfg"
  ln -s /usr/bin/python3 "$engine/bin/python3"
  "$python" $recipe/unpack.py "$site" "$work"/wheels/*.whl
  # Wheels are unpacked without modes; what they bring to be run (ptxas of triton) lies in such folders.
  find "$site" -type f -path '*/bin/*' -exec chmod 755 {} +
fi
find "$work/tree" -type d -exec chmod 755 {} + -o -type f -perm -u+x -exec chmod 755 {} + -o -type f -exec chmod 644 {} +

# 3. file system and hash tree, by the programs of the tools tree. No time, owner, name or number in
# it comes from here: identity and salt are fixed, files stand in the order of their names.
user=(); [[ $(id -u) == 0 ]] || user=(--user --map-root-user)
unshare "${user[@]}" --mount --propagation private bash -euc '
  mount --bind "$2" "$1/tmp"
  chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 TZ=UTC bash -euc "
    cd /tmp
    mkfs.erofs --quiet -x-1 -T1700000000 --all-root -U 5a1f6f54-6e0c-4b0c-9a53-62756e646c65 bundle.raw tree
    truncate -s %4096 bundle.raw
    size=\$(stat -c %s bundle.raw)
    veritysetup format --no-superblock --format 1 --hash sha256 --salt - --data-block-size 4096 \
      --hash-block-size 4096 --data-blocks \$((size / 4096)) --hash-offset \$size bundle.raw bundle.raw >verity
  "' bundle "$tools" "$work" || die "mkfs.erofs or veritysetup failed"

# 4. what it is: computed a second time by what auditors use, and compared
mv "$work/bundle.raw" "$out/"
"$python" -m node_image.build.bundle "$out" --verity "$work/verity" --model "$name" --wheels "$work/wheels"
chmod 644 "$out"/bundle.* "$out/lock.json" "$out"/models/*
