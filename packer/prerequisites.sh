#!/usr/bin/env bash
# Installs the packages that the build host lacks, from its own archive, and the
# Python tools into build/venv. Changes nothing if all are installed.
# Usage: prerequisites.sh [PACKAGE...]: packages that the caller needs as well.
set -euo pipefail

top=$(dirname "$(dirname "$(readlink -f "$0")")")
venv=$top/build/venv

die() {
	printf 'prerequisites: %s\n' "$*" >&2
	exit 1
}

[[ $(uname -m) == x86_64 ]] ||
	die "this host is $(uname -m): Laurel bakes and tests amd64 images only; use an amd64 host"

packages=(
	qemu-system-x86 qemu-utils ovmf              # bake and boot
	mmdebstrap fdisk dosfstools mtools e2fsprogs # base disk, seeds
	iproute2                                     # the project runs in a network of its own
	genisoimage socat dnsmasq-base               # a cloud's CDs, metadata and resolver
	systemd                                      # systemd-analyze checks the units
	git openssh-client python3-venv              # revision, keys, tests
	redis-tools openssl                          # integration tests
	shellcheck shfmt                             # lint
	"$@"
)
command -v packer >/dev/null || packages+=(packer)
# The keys of the archive that the base disk comes from.
var_file=$top/packer/os/${OS:-debian-13}.pkrvars.hcl
if [[ -z ${BASE_IMAGE:-} && -f $var_file ]]; then
	packages+=("$(sed -n 's/^keyring *= *"\(.*\)"$/\1/p' "$var_file")")
fi

missing=()
for package in "${packages[@]}"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done

# ask_for_root: sets as_root, and lets sudo ask for its password while it has the terminal.
ask_for_root() {
	as_root=()
	((EUID != 0)) || return 0
	command -v sudo >/dev/null || die "run as root, or install sudo, to install: ${missing[*]}"
	sudo -n true 2>/dev/null || sudo -v ||
		die "sudo gave no root rights: run this in a terminal, or as root, to install: ${missing[*]}"
	as_root=(sudo -n)
}

# apt ARGUMENT...: apt-get, with its output in the log.
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
		apt-get -y -q -o DPkg::Lock::Timeout=600 --no-install-recommends "$@" >>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "apt-get failed; the whole log is $log"
	}
}

if ((${#missing[@]} > 0)); then
	command -v apt-get >/dev/null || die "this host has no apt-get; install by hand: ${missing[*]}"
	ask_for_root
	echo "prerequisites: installing ${missing[*]}"
	mkdir -p "$top/build/logs"
	log=$top/build/logs/prerequisites.log
	: >"$log"
	apt update
	if [[ " ${missing[*]} " == *" packer "* ]] && ! apt-cache show packer >/dev/null 2>&1; then
		die "this system's archive has no packer: install it from developer.hashicorp.com/packer/install"
	fi
	apt install "${missing[@]}"
fi

# The Python tools are installed again when a lock changes.
locks=("$top/app/requirements.txt" "$top/tests/requirements.txt" "$top/provision/servers.txt" "$top/provision/uv.txt")
wanted=$(cat "${locks[@]}" | sha256sum)
if [[ $(cat "$venv/locks.sha256" 2>/dev/null) != "$wanted" ]]; then
	echo "prerequisites: the Python tools, into build/venv"
	rm -rf "$venv"
	/usr/bin/python3 -m venv "$venv"
	"$venv/bin/pip" --quiet --disable-pip-version-check install --require-hashes -r "$top/provision/uv.txt"
	"$venv/bin/uv" pip install --quiet --python "$venv" --require-hashes \
		-r "$top/app/requirements.txt" -r "$top/tests/requirements.txt" -r "$top/provision/servers.txt"
	echo "$wanted" >"$venv/locks.sha256"
fi
