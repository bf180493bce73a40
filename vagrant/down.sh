#!/usr/bin/env bash
# `make vagrant-destroy`: ends Vagrant's machine, and removes what `vagrant destroy`
# leaves in libvirt: the box's volumes, the network, the daemons that up.sh started.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"
readonly pool=default network=vagrant-libvirt

vagrant destroy --force
vagrant box list | sed -n 's,^\(laurel/[^ ]*\) .*,\1,p' | sort -u | while read -r box; do
	vagrant box remove --force --all "$box"
done

export LIBVIRT_DEFAULT_URI=qemu:///system
if ! command -v virsh >/dev/null || ! virsh --quiet version >/dev/null 2>&1; then exit 0; fi
if [[ -n $(virsh list --all --name | tr -d '\n') ]]; then
	echo "vagrant: other machines of libvirt are left, and with them its volumes, network and daemons"
	exit 0
fi
if virsh pool-info "$pool" >/dev/null 2>&1; then
	virsh --quiet vol-list "$pool" | awk '$1 ~ /^laurel-VAGRANTSLASH-/ {print $1}' | while read -r volume; do
		virsh --quiet vol-delete --pool "$pool" "$volume"
	done
fi
if virsh net-info "$network" >/dev/null 2>&1; then
	if virsh --quiet net-list --name | grep -qx "$network"; then virsh --quiet net-destroy "$network"; fi
	virsh --quiet net-undefine "$network"
fi
# Where a service manager runs, it started them.
if [[ ! -d /run/systemd/system ]]; then
	for daemon in libvirtd virtlogd; do
		if [[ -e /run/$daemon.pid ]]; then kill "$(</run/$daemon.pid)"; fi
	done
fi
