#!/usr/bin/env bash
# `make vagrant-destroy`: ends Vagrant's machine, and removes what `vagrant destroy` leaves: the
# boxes that `make box` made, their volumes, and the daemons that up.sh started.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"
export LIBVIRT_DEFAULT_URI=qemu:///system
readonly daemons=.vagrant/daemons pool=default

vagrant destroy --force
vagrant box list | awk '$1 ~ /^laurel\// && $2 ~ /libvirt/ {print $1}' | sort -u | while read -r box; do
	vagrant box remove --force --all --provider libvirt "$box"
done

if ! command -v virsh >/dev/null || ! virsh --quiet version >/dev/null 2>&1; then exit 0; fi
if [[ -n $(virsh list --all --name | tr -d '\n') ]]; then
	echo "vagrant: libvirt has other machines: its volumes and daemons stay, because these may use them"
	exit 0
fi
if virsh pool-info "$pool" >/dev/null 2>&1; then
	virsh --quiet vol-list "$pool" | awk '$1 ~ /^laurel-VAGRANTSLASH-/ {print $1}' | while read -r volume; do
		virsh --quiet vol-delete --pool "$pool" "$volume"
	done
fi
[[ -e $daemons ]] || exit 0
tac "$daemons" | while read -r name pid; do
	# Another process may have the number by now.
	if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$name" ]]; then
		kill "$pid"
		timeout 10 tail --pid="$pid" -f /dev/null ||
			echo "vagrant: $name (process $pid) still runs, 10 s after SIGTERM" >&2
	fi
done
rm "$daemons"
