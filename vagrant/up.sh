#!/usr/bin/env bash
# `make vagrant`: Vagrant and libvirt from the host's archive, libvirt's services
# where no service manager starts them, then `vagrant up`.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"
export LIBVIRT_DEFAULT_URI=qemu:///system
# The daemons that we start, each with its process, for down.sh to end.
readonly daemons=.vagrant/daemons

../packer/prerequisites.sh vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients \
	dnsmasq-base iptables rsync

# answers: whether libvirt can be asked.
answers() {
	virsh --quiet version >/dev/null 2>&1
}

mkdir -p .vagrant
if ! answers && ((EUID == 0)) && [[ ! -d /run/systemd/system ]]; then
	echo "vagrant: no service manager here: starting virtlogd and libvirtd"
	for daemon in virtlogd libvirtd; do
		"$daemon" --daemon
		echo "$daemon $(</run/"$daemon".pid)" >>"$daemons"
	done
	for _ in {1..30}; do
		! answers || break
		sleep 1
	done
fi

exec vagrant up --provider=libvirt
