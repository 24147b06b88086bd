#!/usr/bin/env bash
# Boots an image in an emulator: no hardware is confidential here, and everything else is as it is.
#
#   node_image/build/boot.sh --image DIR --host DISK --state DIR [--firmware FILE] [--boot disk|direct]
#
#   --host     a disk of `python -m node_image.agent.host_disk write`
#   --state    empty folder: the guest's disk, TPM and console (serial.log)
#
# 127.0.0.1:18080 and 18081 (PORT=...) lead to the agent. The guest reaches nothing.
set -euo pipefail
image= host= state= firmware=/usr/share/ovmf/OVMF.fd boot=disk port=${PORT:-18080}
while (($#)); do
  case $1 in
    --image) image=$(realpath "$2") ;;
    --host) host=$(realpath "$2") ;;
    --state) mkdir -p "$2"; state=$(realpath "$2") ;;
    --firmware) firmware=$2 ;;
    --boot) boot=$2 ;;
    *) sed -n '4s/^# *//p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
[[ $image && $host && $state ]] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
mkdir "$state/tpm"
# Absolute paths: swtpm changes its folder. It ends with its connection.
swtpm socket --tpm2 --tpmstate "dir=$state/tpm" --ctrl "type=unixio,path=$state/tpm.sock" --terminate --daemon
from=()
[[ $boot == direct ]] && from=(-kernel "$image/node.efi")
exec qemu-system-x86_64 -machine q35,smm=off -accel tcg,thread=multi -cpu max -smp 2 -m 2048 \
  -nodefaults -nographic -no-reboot -bios "$firmware" "${from[@]}" \
  -drive "if=none,id=disk,format=raw,snapshot=on,file=$image/node.raw" -device virtio-blk-pci,drive=disk \
  -drive "if=none,id=host,format=raw,readonly=on,file=$host" -device virtio-blk-pci,drive=host,serial=openpcc-host \
  -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$port-:8080,hostfwd=tcp:127.0.0.1:$((port + 1))-:8081" \
  -device virtio-net-pci,netdev=net -device virtio-rng-pci -serial "file:$state/serial.log" \
  -chardev "socket,id=tpm,path=$state/tpm.sock" -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-tis,tpmdev=tpm0
