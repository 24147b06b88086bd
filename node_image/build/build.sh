#!/usr/bin/env bash
# Builds a node's image. Needs root (mounts and chroot), mmdebstrap, and the environment of `make setup`.
#
#   node_image/build/build.sh --out DIR --keep DIR [--profile base] [--platform simulated-vtpm] [--offline]
#
#   --out       gets disk, kernel image, lists, image.json; must be empty or missing
#   --keep      holds what was downloaded: tools tree, packages, wheels. The same again, --offline
#   --platform  what the agent quotes by; it stands in the image, so each has its own measurement
#
# Packages come from the archives that this machine's apt and pip are configured for.
set -euo pipefail
cd "$(dirname "$0")/../.."
recipe=node_image/build
python=${PYTHON:-.venv/bin/python}
out= keep= profile=base platform=simulated-vtpm offline=

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
die() { echo "build.sh: $*" >&2; exit 1; }
while (($#)); do
  case $1 in
    --out) out=$2; shift 2 ;;
    --keep) keep=$2; shift 2 ;;
    --profile) profile=$2; shift 2 ;;
    --platform) platform=$2; shift 2 ;;
    --offline) offline=1; shift ;;
    *) usage ;;
  esac
done
[[ $out && $keep ]] || usage
[[ $(id -u) == 0 ]] || die "mounts need root"
[[ -d $recipe/mkosi.profiles/$profile ]] || die "no profile $profile"
[[ $profile != gpu ]] || die "gpu: its driver is not signed by what the kernel accepts; docs/node-image.md"
[[ -z $(ls -A "$out" 2>/dev/null) ]] || die "$out is not empty"
mkdir -p "$out" "$keep"
out=$(realpath "$out") keep=$(realpath "$keep")
umask 022
export LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH=1700000000

# Where this machine has Debian from: "URI label", one line each.
archives() { apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(LABEL)' 'Created-By: Packages' \
  | sort -u | sed -n 's/^Debian //p'; }

sources() {
  local uri label suites
  while read -r uri label; do
    case $label in
      Debian) suites="trixie trixie-updates" ;;
      Debian-Security) suites=trixie-security ;;
      *) continue ;;
    esac
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' \
      "$uri" "$suites" /usr/share/keyrings/debian-archive-keyring.gpg
  done < <(archives)
}

tools=(mkosi systemd-ukify systemd-boot-efi systemd-repart systemd-container cryptsetup-bin
  erofs-utils mtools dosfstools cpio zstd kmod apt python3-pefile python3-cryptography
  ca-certificates systemd udev)

# 1. tools tree: Debian 13, so that everybody's image is made by the same programs
if [[ ! -e $keep/tools/usr/bin/mkosi ]]; then
  [[ ! $offline ]] || die "no tools tree in $keep; build once with a network"
  mapfile -t lines < <(sources | sed -n 's/^URIs: //p')
  ((${#lines[@]})) || die "apt knows no archive of Debian; run apt-get update"
  echo "making the tools tree"
  specs=()
  for uri in "${lines[@]}"; do
    case $uri in
      *security*) specs+=("deb $uri trixie-security main") ;;
      *) specs+=("deb $uri trixie main" "deb $uri trixie-updates main") ;;
    esac
  done
  rm -rf "$keep/tools.new"
  mmdebstrap -q --variant=minbase --include="$(IFS=,; echo "${tools[*]}")" trixie "$keep/tools.new" "${specs[@]}"
  chroot "$keep/tools.new" dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' >"$keep/tools.list"
  mv "$keep/tools.new" "$keep/tools"
fi

# 2. wheels, by hash: our own code and what it runs beside
mkdir -p "$keep/wheels" "$keep/packages"
if [[ ! $offline ]]; then
  glibc=(); for minor in {41..17}; do glibc+=(--platform "manylinux_2_${minor}_x86_64"); done
  "$python" -m pip download -q --disable-pip-version-check --no-deps --require-hashes \
    --only-binary=:all: --implementation cp --python-version 3.13 --abi cp313 --abi abi3 --abi none \
    "${glibc[@]}" --platform manylinux2014_x86_64 -r $recipe/wheels.txt -d "$keep/wheels"
fi
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir -p "$work"/{wheels,openpcc/models,out,mkosi.sandbox/etc/apt/sources.list.d}
"$python" $recipe/wheels.py $recipe/wheels.txt "$keep/wheels" "$work/wheels"
"$python" -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -w "$work/wheels" .

# 3. recipe and configuration, with modes of their own whatever the checkout's are
cp -r $recipe/mkosi.* $recipe/unpack.py $recipe/programs.txt "$work/"
cp -r node_image/embedded/model "$work/openpcc/models/demo"
digest=$("$python" -m node_image.measure model "$work/openpcc/models/demo" \
  | "$python" -c 'import json, sys; print(json.load(sys.stdin)["digest"])')

machine=/; [[ $platform == simulated* ]] && machine=/run/openpcc/machine
sed "s|@PLATFORM@|$platform|; s|@MACHINE@|$machine|; s|@DIGEST@|$digest|" $recipe/image.toml >"$work/openpcc/image.toml"
sources >"$work/mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources"
find "$work" -type d -exec chmod 755 {} + -o -type f -perm -u+x -exec chmod 755 {} + -o -type f -exec chmod 644 {} +

# 4. the image, in the tools tree, always at the same path
echo "building"
mkdir -p "$keep/tools/work" "$keep/tools/keep"
cache=auto; [[ $offline ]] && cache=always
unshare --mount --propagation private bash -euc '
  mount --bind "$1" "$1"
  for own in proc sys dev; do mount --rbind "/$own" "$1/$own"; done
  mount -t tmpfs tmpfs "$1/run"
  mount --bind "$2" "$1/work"
  mount --bind "$3" "$1/keep"
  if [[ -e /etc/resolv.conf && -z $6 ]]; then cp -L /etc/resolv.conf "$1/etc/resolv.conf"; fi
  exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
    mkosi --directory /work --profile "$4" --cache-only "$5" --package-cache-dir /keep \
      --output-dir /work/out --workspace-dir /var/tmp --force build
' build "$keep/tools" "$work" "$keep/packages" "$profile" "$cache" "$offline" || die "mkosi failed"

# 5. what it was made of, and what it is
for file in node.raw node.efi node.manifest initrd.manifest; do cp "$work/out/$file" "$out/"; done
tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
  --exclude=__pycache__ -cf "$out/recipe.tar" -C node_image build
"$python" -m node_image.build.inventory "$out" --packages "$keep/packages" --wheels "$work/wheels" \
  --tools "$keep/tools.list"
chmod 644 "$out"/*
