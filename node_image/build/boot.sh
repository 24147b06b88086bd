#!/usr/bin/env bash
# Boots an image in an emulator: no hardware is confidential here, and everything else is as it is.
#
#   node_image/build/boot.sh --image DIR --host DISK --state DIR [OPTION...] [-- WORD...]
#
#   --host      a disk of `python -m node_image.agent.host_disk write`
#   --state     empty folder: the guest's TPM, console (serial.log) and every packet (net.pcap)
#   --boot      disk, or direct: the kernel image from the host
#   --disk      another disk than the image's
#   --firmware  another than Debian's OVMF
#   --net       closed: the emulator lets nothing out; open: it lets out whatever the guest does
#   --tpm       swtpm, or none
#   WORD        of QEMU's, at the end
#
# 127.0.0.1:18080 and 18081 (PORT=...) lead to the agent.
set -euo pipefail
image= host= state= disk= firmware=/usr/share/ovmf/OVMF.fd boot=disk net=closed tpm=swtpm
port=${PORT:-18080}
usage() { sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
while (($#)); do
  [[ $1 == -- ]] && { shift; break; }
  (($# > 1)) || usage
  case $1 in
    --image) image=$(realpath "$2") ;;
    --host) host=$(realpath "$2") ;;
    --state) mkdir -p "$2"; state=$(realpath "$2") ;;
    --disk) disk=$(realpath "$2") ;;
    --firmware) firmware=$2 ;;
    --boot) boot=$2 ;;
    --net) net=$2 ;;
    --tpm) tpm=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[[ $image && $host && $state ]] || usage
more=()
case $boot in
  disk) ;;
  direct) more+=(-kernel "$image/node.efi") ;;
  *) usage ;;
esac
case $net in
  closed) restrict=on ;;
  open) restrict=off ;;
  *) usage ;;
esac
case $tpm in
  none) ;;
  swtpm)
    mkdir "$state/tpm"
    # Absolute paths: swtpm changes its folder. It ends with its connection.
    swtpm socket --tpm2 --tpmstate "dir=$state/tpm" --ctrl "type=unixio,path=$state/tpm.sock" --terminate --daemon
    more+=(-chardev "socket,id=tpm,path=$state/tpm.sock" -tpmdev emulator,id=tpm0,chardev=tpm
      -device "tpm-tis,tpmdev=tpm0") ;;
  *) usage ;;
esac
forward="hostfwd=tcp:127.0.0.1:$port-:8080,hostfwd=tcp:127.0.0.1:$((port + 1))-:8081"
exec qemu-system-x86_64 -machine q35,smm=off -accel tcg,thread=multi -cpu max -smp 2 -m 2048 \
  -nodefaults -nographic -no-reboot -bios "$firmware" \
  -drive "if=none,id=disk,format=raw,snapshot=on,file=${disk:-$image/node.raw}" -device virtio-blk-pci,drive=disk \
  -drive "if=none,id=host,format=raw,readonly=on,file=$host" -device virtio-blk-pci,drive=host,serial=openpcc-host \
  -netdev "user,id=net,restrict=$restrict,$forward" -device virtio-net-pci,netdev=net \
  -object "filter-dump,id=dump,netdev=net,file=$state/net.pcap" \
  -device virtio-rng-pci -serial "file:$state/serial.log" "${more[@]}" "$@"
