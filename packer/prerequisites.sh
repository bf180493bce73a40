#!/usr/bin/env bash
# Installs what the build host lacks, from its own archive, and the Python tools
# into build/venv. Does nothing when all is there. As root, or a user with sudo.
# Usage: prerequisites.sh [PACKAGE...]: what the caller needs besides.
set -euo pipefail

top=$(dirname "$(dirname "$(readlink -f "$0")")")
venv=$top/build/venv

packages=(
	qemu-system-x86 qemu-utils ovmf              # bake and boot
	mmdebstrap fdisk dosfstools mtools e2fsprogs # the base disk, the seeds
	genisoimage socat dnsmasq-base               # a cloud's CDs, metadata and resolver
	systemd                                      # systemd-analyze and its like: what reads the units
	git openssh-client python3-venv              # revision, keys, tests
	redis-tools openssl                          # a Redis for the unit tests
	shellcheck shfmt                             # lint
	"$@"
)
# HashiCorp's own Packer serves as well.
command -v packer >/dev/null || packages+=(packer)
# The keys of the archive that the base disk comes from.
var_file=$top/packer/os/${OS:-debian-13}.pkrvars.hcl
if [[ -z ${BASE_IMAGE:-} && -f $var_file ]]; then
	packages+=("$(sed -n 's/^keyring *= *"\(.*\)"$/\1/p' "$var_file")")
fi

# The Python tools are those of the locks, and again when a lock changes.
locks=("$top/app/requirements.txt" "$top/tests/requirements.txt" "$top/provision/uv.txt")

missing=()
for package in "${packages[@]}"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
	command -v apt-get >/dev/null || {
		echo "prerequisites: this host has no apt-get; install by hand: ${missing[*]}" >&2
		exit 1
	}
	as_root=()
	if ((EUID != 0)); then
		command -v sudo >/dev/null || {
			echo "prerequisites: run as root, or install sudo, to install: ${missing[*]}" >&2
			exit 1
		}
		as_root=(sudo)
	fi
	echo "prerequisites: installing ${missing[*]}"
	mkdir -p "$top/build/logs"
	log=$top/build/logs/prerequisites.log
	apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
		apt-get -y -q -o DPkg::Lock::Timeout=600 --no-install-recommends)
	if ! { "${apt[@]}" update && "${apt[@]}" install "${missing[@]}"; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "prerequisites: apt failed; the whole log is $log" >&2
		exit 1
	fi
fi

wanted=$(cat "${locks[@]}" | sha256sum)
if [[ $(cat "$venv/locks.sha256" 2>/dev/null) != "$wanted" ]]; then
	echo "prerequisites: the Python tools, into build/venv"
	rm -rf "$venv"
	/usr/bin/python3 -m venv "$venv"
	"$venv/bin/pip" --quiet --disable-pip-version-check install --require-hashes -r "$top/provision/uv.txt"
	"$venv/bin/uv" pip install --quiet --python "$venv" --require-hashes \
		-r "$top/app/requirements.txt" -r "$top/tests/requirements.txt"
	echo "$wanted" >"$venv/locks.sha256"
fi
