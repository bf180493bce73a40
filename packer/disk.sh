#!/usr/bin/env bash
# Writes a root file system to a disk that boots. Run as root.
# Usage: disk.sh ROOT BASE OUTPUT.qcow2; BASE is the folder that build.sh filled.
set -euo pipefail
umask 022

here=$(dirname "$(readlink -f "$0")")
root=$1 base=$2 output=$3
# shellcheck source=packer/base/layout.sh
source "$here/base/layout.sh"

work=$(mktemp -d "$(dirname "$output")/.disk.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp --sparse=always "$base/boot.raw" "$work/disk.raw"
write_root "$root" "$(cat "$base/uuid")" "$work/disk.raw"
qemu-img convert -O qcow2 "$work/disk.raw" "$work/disk.qcow2"
mv "$work/disk.qcow2" "$output"
