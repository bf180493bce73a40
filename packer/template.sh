#!/usr/bin/env bash
# Prints the folder of the template, for `packer build` and `packer validate`.
# Usage: template.sh FOLDER
#
# Packer 1.7 and later take packer/ itself, once `packer init` has installed the
# QEMU plugin. Packer 1.6 (Debian's) rejects plugins.pkr.hcl, so FOLDER is
# filled with links to the other files.
set -euo pipefail

packer=$(dirname "$(readlink -f "$0")")
folder=${1:?usage: template.sh FOLDER}
export CHECKPOINT_DISABLE=1

version=$(packer version | sed -n 's/^Packer v//p')
if [[ $(printf '%s\n' 1.7 "$version" | sort -V | head -n 1) == 1.7 ]]; then
	packer init "$packer" >&2
	echo "$packer"
	exit
fi

mkdir -p "$folder"
rm -f "$folder"/*.hcl
ln -s "$packer"/*.hcl "$folder"
rm "$folder/plugins.pkr.hcl"
echo "$folder"
