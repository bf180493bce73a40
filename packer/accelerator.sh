#!/usr/bin/env bash
# Prints the accelerator that runs a guest on this host: kvm or tcg.
# Usage: accelerator.sh [KERNEL]
#
# A program may open /dev/kvm on a host whose KVM cannot run a kernel (a para-virtual KVM hangs or
# crashes). So this starts a kernel without a root file system, which must reach its panic.
set -euo pipefail

kernel=${1:-}
readonly limit=20 # seconds; a kernel under KVM panics within 3

works() {
	[[ -r /dev/kvm && -w /dev/kvm ]] || return 1
	if [[ -z $kernel ]]; then
		grep -qwE 'vmx|svm' /proc/cpuinfo
		return
	fi
	timeout --foreground "$limit" qemu-system-x86_64 -nodefaults -no-user-config -nographic -no-reboot \
		-accel kvm -cpu host -m 512 -kernel "$kernel" -append "console=ttyS0 panic=-1" \
		-serial stdio </dev/null 2>/dev/null | grep -q 'Unable to mount root'
}

if works; then echo kvm; else echo tcg; fi
