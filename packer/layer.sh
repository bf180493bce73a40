#!/usr/bin/env bash
# Makes a layer: a copy of a root file system in which provision.sh has run the named steps, without an
# emulator. Run as root.
# Usage: layer.sh FROM LAYER PAYLOAD CACHE STEP...
# PAYLOAD is a folder as provision.sh expects it; CACHE keeps what apt and uv download.
set -euo pipefail
umask 022 # not this user's: the files go into an image

provision=$(dirname "$(dirname "$(readlink -f "$0")")")/provision
from=$1 layer=$2 payload=$3 cache=$4
shift 4

mkdir -p "$layer" "$cache/apt" "$cache/uv"
trap 'rm -rf "$layer/root.new"' EXIT
rm -rf "$layer/root.new"
cp -a --reflink=auto "$from" "$layer/root.new"
ARCHIVES=$cache/apt PACKAGES=$cache/uv "$provision/isolate.sh" build "$layer/root.new" "$payload" \
	/run/laurel-work/provision/provision.sh "$@"
rm -rf "$layer/root" "$layer/disk.qcow2"
mv "$layer/root.new" "$layer/root"
# Layers that this one replaces.
find "$(dirname "$layer")" -mindepth 1 -maxdepth 1 -type d ! -name "$(basename "$layer")" -exec rm -rf {} +
