#!/usr/bin/env bash
# `make vagrant`: installs Vagrant and libvirt from the host's archive, starts libvirt where no
# service manager does, writes the given settings to settings.env, and runs `vagrant up`.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"
export LIBVIRT_DEFAULT_URI=qemu:///system
# The daemons that this script started, with their process IDs: down.sh ends them.
readonly daemons=.vagrant/daemons

../packer/prerequisites.sh vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients \
	dnsmasq-base iptables rsync

settings=$(PYTHONPATH=$PWD/../provision:$PWD/../provision/files/usr/lib/laurel \
	../build/venv/bin/python ../packer/settings.py given)
# Without settings, a file that the developer wrote stays.
if [[ -n $settings ]]; then printf '%s\n' "$settings" >settings.env; fi

libvirt_answers() {
	virsh --quiet version >/dev/null 2>&1
}

mkdir -p .vagrant
if ! libvirt_answers && ((EUID == 0)) && [[ ! -d /run/systemd/system ]]; then
	echo "vagrant: no service manager here: starting virtlogd and libvirtd"
	for daemon in virtlogd libvirtd; do
		"$daemon" --daemon
		echo "$daemon $(</run/"$daemon".pid)" >>"$daemons"
	done
	for _ in {1..30}; do
		! libvirt_answers || break
		sleep 1
	done
fi

exec vagrant up --provider=libvirt
