#!/usr/bin/env bash
# Starts an image's system on this host's own kernel and processors, without an emulator, and runs a
# command beside it, which reaches it by the two options that are added to it: --host and --key.
# The system has a copy of the disk and a network with nobody else in it; the command shares that
# network. Nothing is left of either when the command ends, or is ended. As root.
# Usage: native.sh IMAGE COMMAND [ARGUMENT...]
set -euo pipefail

die() {
	echo "native: $*" >&2
	exit 1
}

# begin WORK START USER COMMAND...: the first process of the new namespaces; all others end with it.
begin() {
	local work=$1 start=$2 user=$3 system ended status=0
	shift 3
	mount -t tmpfs tmpfs /run # nspawn leaves locks there, and shall not ask the host's systemd
	ip link set lo up
	mount -o "loop,offset=$((512 * start))" "$work/disk" "$work/root"
	echo "instance-id: native" | install -D -m 0600 /dev/stdin "$work/root/var/lib/cloud/seed/nocloud/meta-data"
	echo "#cloud-config
ssh_authorized_keys: ['$(cat "$work/key.pub")']" >"$work/root/var/lib/cloud/seed/nocloud/user-data"
	: >"$work/root/etc/fstab" # it names disks
	systemd-nspawn --boot --directory="$work/root" --machine=native --register=no --keep-unit --settings=no \
		--resolv-conf=off --timezone=off --link-journal=no --console=read-only \
		</dev/null >"$log" 2>&1 &
	system=$!
	"$@" --host="$user@127.0.0.1" --key="$work/key" &
	wait -n -p ended || status=$?
	[[ $ended != "$system" ]] || die "the system has ended"
	return "$status"
}

top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
log=$top/build/logs/native.log
if [[ ${1-} == --begin ]]; then
	begin "${@:2}"
	exit
fi

image=${1:?IMAGE is missing: native.sh IMAGE COMMAND [ARGUMENT...]}
shift
((EUID == 0)) || die "run as root: a disk is mounted, and namespaces are made"
[[ -f $image ]] || die "$image: no such image"
user=debian
[[ ${image##*/} != *ubuntu* ]] || user=ubuntu

cgroups=() inside=''
clean_up() {
	if [[ -n $inside ]]; then
		kill -KILL "$inside" || true # it may have ended
		wait "$inside" || true       # its status is that it was killed
	fi 2>/dev/null
	for cgroup in "${cgroups[@]}"; do
		# The kernel may still be at the end of a process.
		for _ in {1..50}; do
			! find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || break
			sleep 0.1
		done
	done
	rm -rf --one-file-system "$work"
}
mkdir -p "$top/build/run" "${log%/*}"
work=$(mktemp -d "$top/build/run/native.XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir "$work/root"
qemu-img convert -O raw "$image" "$work/disk"
# The root is the first partition, and the kernel need not know partitions.
start=$(partx --noheadings --raw --output START --nr 1 "$work/disk")
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
# A cgroup of its own, wherever this host has its tree of processes.
for tree in $(findmnt -nro TARGET -t cgroup2) $(findmnt -nro TARGET -t cgroup -O name=systemd); do
	cgroups+=("$tree/laurel-native.$$")
	mkdir "${cgroups[-1]}"
done
(
	for cgroup in "${cgroups[@]}"; do echo 0 >"$cgroup/cgroup.procs"; done
	# What is written there is no host of a user's: the bench may.
	export DISRUPT=1 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
	exec setpriv --pdeathsig KILL unshare --mount --pid --net --ipc --uts --fork --kill-child --mount-proc \
		"$0" --begin "$work" "$start" "$user" "$@"
) &
inside=$!
status=0
wait "$inside" || status=$?
inside=''
((status == 0)) || {
	echo "native: what the system said is in $log" >&2
	exit "$status"
}
