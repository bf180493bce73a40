#!/usr/bin/env bash
# `make vagrant`: Vagrant and libvirt from the host's archive, libvirt's services
# where no service manager starts them, then `vagrant up`.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
readonly uri=qemu:///system

"$here/../packer/prerequisites.sh" vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients \
	dnsmasq-base iptables rsync

# answers: whether libvirt can be asked.
answers() {
	virsh --quiet --connect "$uri" version >/dev/null 2>&1
}

if ! answers && ((EUID == 0)) && [[ ! -d /run/systemd/system ]]; then
	echo "vagrant: no service manager here: starting virtlogd and libvirtd"
	virtlogd --daemon
	libvirtd --daemon
	for _ in {1..30}; do
		! answers || break
		sleep 1
	done
fi

if [[ $("$here/../packer/accelerator.sh") == tcg ]]; then
	echo "vagrant: KVM does not run a guest here (is nested virtualisation on?): it is emulated, which takes minutes"
fi

cd "$here"
exec vagrant up --provider=libvirt
