#!/usr/bin/env bash
# `make vagrant-destroy`: ends Vagrant's machine, and removes what `vagrant destroy`
# leaves: the boxes that `make box` made, their volumes, and what up.sh began.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"
export LIBVIRT_DEFAULT_URI=qemu:///system
readonly ours=.vagrant/ours pool=default

vagrant destroy --force
vagrant box list | awk '$1 ~ /^laurel\// && $2 ~ /libvirt/ {print $1}' | sort -u | while read -r box; do
	vagrant box remove --force --all --provider libvirt "$box"
done

if ! command -v virsh >/dev/null || ! virsh --quiet version >/dev/null 2>&1; then exit 0; fi
if [[ -n $(virsh list --all --name | tr -d '\n') ]]; then
	echo "vagrant: libvirt has other machines, which may use the volumes, the network and the daemons: these stay"
	exit 0
fi
if virsh pool-info "$pool" >/dev/null 2>&1; then
	virsh --quiet vol-list "$pool" | awk '$1 ~ /^laurel-VAGRANTSLASH-/ {print $1}' | while read -r volume; do
		virsh --quiet vol-delete --pool "$pool" "$volume"
	done
fi
[[ -e $ours ]] || exit 0
# The last first: a network needs its daemon.
tac "$ours" | while read -r what name; do
	if [[ $what == network ]]; then
		virsh --quiet net-destroy "$name" || true # it may be down already
		virsh --quiet net-undefine "$name"
	elif [[ $(cat "/proc/$name/comm" 2>/dev/null) == "$what" ]]; then
		kill "$name"
		timeout 10 tail --pid="$name" -f /dev/null || true
	fi
done
rm "$ours"
