#!/usr/bin/env bash
# Builds a node's image. Needs root (mounts and chroot), mmdebstrap, and the environment of `make setup`.
#
#   node_image/build/build.sh --out DIR --keep DIR [--lock FILE] [--profile base] [--platform simulated-vtpm]
#       [--bundle DIR] [--machines FILE --source URI [--commit HEX] [--expires TIME]]
#
#   --out       gets disk, kernel image, lists, image.json; must be empty or missing
#   --keep      holds what was downloaded: every package and wheel, and the tools tree
#   --lock      lock.json of an image: make it of exactly these files, which were kept, without a network
#   --platform  what the agent quotes by; it stands in the image, so each has its own measurement
#   --bundle    of profile gpu: engine and model, as bundle.sh made them; the image holds their root hash
#   --machines  where it runs (node_image/build/machines.py); with --source, release.toml is written:
#               --commit is the checkout's, --expires in 30 days, where they are left out
#
# Packages come from the archives that this machine's apt and pip are configured for.
set -euo pipefail
recipe=node_image/build
python=${PYTHON:-.venv/bin/python}
out= keep= lock= profile=base platform=simulated-vtpm bundle= machines= source= commit= expires=

usage() { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
die() { echo "build.sh: $*" >&2; exit 1; }
while (($# > 1)); do
  case $1 in
    --out) out=$(realpath -m "$2") ;;
    --keep) keep=$(realpath -m "$2") ;;
    --lock) lock=$(realpath -m "$2") ;;
    --profile) profile=$2 ;;
    --platform) platform=$2 ;;
    --bundle) bundle=$(realpath -m "$2") ;;
    --machines) machines=$(realpath -m "$2") ;;
    --source) source=$2 ;;
    --commit) commit=$2 ;;
    --expires) expires=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[[ $# == 0 && $out && $keep ]] || usage
cd "$(dirname "$0")/../.."
[[ -d $recipe/mkosi.profiles/$profile ]] || die "no profile $profile"
if [[ $profile == gpu ]]; then
  [[ -e $bundle/bundle.json ]] || die "gpu: --bundle names what bundle.sh made"
  [[ -z $source ]] || die "gpu: how many GPUs a release names is yours to say; node_image.measure release"
  [[ -z $lock ]] || die "gpu: what its modules are made by stands in no lock yet; build it with a network"
fi
[[ -z $(ls -A "$out" 2>/dev/null) ]] || die "$out is not empty"
for file in "$lock" "$machines"; do [[ -z $file || -e $file ]] || die "$file: no such file"; done
if [[ $source ]]; then
  [[ $machines ]] || die "a release names the machines it is measured on; give --machines"
  if [[ -z $commit ]]; then
    [[ -z $(git status --porcelain 2>&1) ]] || die "no commit is checked out unchanged; give --commit"
    commit=$(git rev-parse HEAD)
  fi
  expires=${expires:-$(date -u -d '30 days' +%Y-%m-%dT00:00:00Z)}
fi
[[ $(id -u) == 0 ]] || die "mounts need root"
mkdir -p "$out" "$keep"/{packages/tools,wheels}
umask 022
export LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH=1700000000
scratch=$(mktemp -d)
trap 'rm -rf --one-file-system "$scratch"' EXIT
work=$scratch/work tree=$keep/tools
mkdir -p "$work"/{wheels,openpcc/models,out,mkosi.sandbox/etc/apt/sources.list.d} "$scratch/repositories"

# Where this machine has Debian from: "URI label", one line each.
archives() { apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(LABEL)' 'Created-By: Packages' \
  | sort -u | sed -n 's/^Debian //p'; }

suites() { case $1 in Debian) echo trixie trixie-updates ;; Debian-Security) echo trixie-security ;; esac; }

# The same for apt in the tools tree: of a lock its own repository and no other.
sources() {
  local uri label
  if [[ $lock ]]; then
    printf 'Types: deb\nURIs: file:///repositories/image\nSuites: ./\nTrusted: yes\n'
    return
  fi
  while read -r uri label; do
    [[ -z $(suites "$label") ]] || printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n\n' \
      "$uri" "$(suites "$label")" "$components" /usr/share/keyrings/debian-archive-keyring.gpg
  done < <(archives)
}

# Where the driver is, which no other profile takes anything from.
components=main; [[ $profile == gpu ]] && components="main contrib non-free non-free-firmware"

# Makes a tools tree: FOLDER, variant, packages with commas, sources. Keeps the packages in $debs.
make_tools() {
  local folder=$1 variant=$2 packages=$3
  shift 3
  echo "making the tools tree"
  mmdebstrap -q --variant="$variant" --include="$packages" --skip=essential/unlink --aptopt='APT::Sandbox::User "root"' \
    --customize-hook="cp \"\$1\"/var/cache/apt/archives/*.deb '$debs'" trixie "$folder" "$@"
}

tools=mkosi,systemd-ukify,systemd-boot-efi,systemd-repart,systemd-container,cryptsetup-bin,erofs-utils,mtools
tools+=,dosfstools,cpio,zstd,kmod,apt,python3-pefile,python3-cryptography,ca-certificates,systemd,udev

# 1. wheels, by hash: our own code and what it runs beside
cat $recipe/wheels.txt >"$scratch/wheels.txt"
[[ $profile != gpu ]] || cat $recipe/gpu/agent.txt >>"$scratch/wheels.txt"
if [[ ! $lock ]]; then
  glibc=(); for minor in {41..17}; do glibc+=(--platform "manylinux_2_${minor}_x86_64"); done
  "$python" -m pip download -q --disable-pip-version-check --no-deps --require-hashes \
    --only-binary=:all: --implementation cp --python-version 3.13 --abi cp313 --abi abi3 --abi none \
    "${glibc[@]}" --platform manylinux2014_x86_64 -r "$scratch/wheels.txt" -d "$keep/wheels"
fi
"$python" $recipe/wheels.py "$scratch/wheels.txt" "$keep/wheels" "$work/wheels"
"$python" -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -w "$work/wheels" .

# 2. tools tree: Debian 13, so that everybody's image is made by the same programs
if [[ $lock ]]; then
  "$python" -m node_image.build.locked "$lock" --packages "$keep/packages" --wheels "$work/wheels" \
    --to "$scratch/repositories"
  debs=$scratch tree=$scratch/tools
  # Not minbase: that asks for packages of a suite, and a folder of files has none. All are named here.
  make_tools "$tree" apt "$(sed -n 's/^Package: //p' "$scratch/repositories/tools/Packages" | paste -sd,)" \
    "deb [trusted=yes] copy://$scratch/repositories/tools ./"
elif [[ ! -e $tree/usr/bin/mkosi ]]; then
  specs=()
  while read -r uri label; do
    for suite in $(suites "$label"); do specs+=("deb $uri $suite main"); done
  done < <(archives)
  ((${#specs[@]})) || die "apt knows no archive of Debian; run apt-get update"
  rm -rf --one-file-system "$tree.new"
  debs=$keep/packages/tools
  make_tools "$tree.new" minbase "$tools" "${specs[@]}"
  mv "$tree.new" "$tree"
fi
chroot "$tree" dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' >"$scratch/tools.list"

# 3. recipe and configuration, with modes of their own whatever the checkout's are
cp -r $recipe/mkosi.* $recipe/unpack.py $recipe/programs.txt "$work/"
of() { "$python" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2" <"$1"; }
if [[ $profile == gpu ]]; then
  settings=$recipe/mkosi.profiles/gpu/image.toml model=$(of "$bundle/bundle.json" model)
  [[ $model =~ ^[a-z0-9][a-z0-9.-]{0,63}$ ]] || die "$bundle/bundle.json: model: expected a name of a-z 0-9 . -"
  cp "$bundle/bundle.json" "$work/openpcc/"
  cp "$bundle/models/$model.json" "$scratch/model.json"
  mkdir "$work/mkosi.profiles/gpu/mkosi.extra/usr/lib/openpcc/bundle"
else
  settings=$recipe/image.toml model=demo
  cp -r node_image/embedded/model "$work/openpcc/models/demo"
  "$python" -m node_image.measure model "$work/openpcc/models/demo" >"$scratch/model.json"
fi
digest=$(of "$scratch/model.json" digest)
machine=/; [[ $platform == simulated* ]] && machine=/run/openpcc/machine
# An image for debugging names no release, whatever its host says: nobody accepts it (decision 0026).
release=/run/openpcc/release; [[ $profile == debug ]] && release=/usr/share/openpcc/unreleased
printf '%064d\n' 0 >"$work/openpcc/unreleased"
sed "s|@PLATFORM@|$platform|; s|@MACHINE@|$machine|; s|@RELEASE@|$release|; s|@DIGEST@|$digest|; s|@MODEL@|$model|" \
  "$settings" >"$work/openpcc/image.toml"
sources >"$work/mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources"
find "$work" -type d -exec chmod 755 {} + -o -type f -perm -u+x -exec chmod 755 {} + -o -type f -exec chmod 644 {} +

# 4. the image, in the tools tree, always at the same path; of a lock without a network
echo "building"
cache=$keep/packages; [[ $lock ]] && cache=$scratch/cache
mkdir -p "$tree"/{work,keep,repositories} "$cache" "$scratch/repositories/image"
without=(); [[ $lock ]] && without=(--net)
unshare --mount --propagation private "${without[@]}" bash -euc '
  mount --bind "$1" "$1"
  for own in proc sys dev; do mount --rbind "/$own" "$1/$own"; done
  mount -t tmpfs tmpfs "$1/run"
  mount --bind "$2" "$1/work"
  mount --bind "$3" "$1/keep"
  mount --bind "$4" "$1/repositories"
  if [[ -e /etc/resolv.conf && -z $6 ]]; then cp -L /etc/resolv.conf "$1/etc/resolv.conf"; fi
  exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
    mkosi --directory /work --profile "$5" --package-cache-dir /keep --local-mirror file:///repositories/image \
      --output-dir /work/out --workspace-dir /var/tmp --force build
' build "$tree" "$work" "$cache" "$scratch/repositories" "$profile" "$lock" || die "mkosi failed"

# 5. what it was made of, and what it is
for file in node.raw node.efi node.manifest initrd.manifest; do cp "$work/out/$file" "$out/"; done
mkdir "$out/models"
cp "$scratch/model.json" "$out/models/$model.json"
[[ $profile != gpu ]] || cp "$bundle/bundle.json" "$out/"
printf 'profile=%s\nplatform=%s\n' "$profile" "$platform" >"$out/options.txt"
"$python" -m node_image.build.inventory "$out" --packages "$keep/packages" --wheels "$work/wheels" \
  --tools "$scratch/tools.list" --recipe $recipe
if [[ $lock ]]; then cmp "$lock" "$out/lock.json" >&2 || die "this recipe makes it of other files than $lock names"; fi

# 6. where it runs, and what is to be signed
[[ -z $machines ]] || "$python" -m node_image.build.machines "$out" "$machines"
if [[ $source ]]; then
  own=("$work"/wheels/openpcc-*.whl) version=${own[0]##*/openpcc-} version=${version%%-*}
  "$python" -m node_image.measure release "$out" --version "$version" --engine "embedded=$version" \
    --source "$source" --commit "$commit" --expires "$expires" >"$scratch/release.toml"
  cp "$scratch/release.toml" "$out/"
fi
chmod -R u=rwX,go=rX "$out"
