#!/usr/bin/env bash
# Starts an image's system in a container on this host's kernel, without an emulator, and runs a command
# with the options --host and --key added, by which it reaches the system. The system has a copy of
# the disk; system and command share a network of their own. Nothing is left of either when the
# command ends or is killed. Run as root.
# Usage: native.sh IMAGE COMMAND [ARGUMENT...]
set -euo pipefail

die() {
	echo "native: $*" >&2
	exit 1
}

# begin WORK START USER COMMAND...: runs as the first process of new namespaces; all others end with it.
begin() {
	local work=$1 start=$2 user=$3 system ended status=0
	shift 3
	mount -t tmpfs tmpfs /run # nspawn leaves locks there, and must not find the host's systemd
	ip link set lo up
	mount -o "loop,offset=$((512 * start))" "$work/disk" "$work/root"
	echo "instance-id: native" | install -D -m 0600 /dev/stdin "$work/root/var/lib/cloud/seed/nocloud/meta-data"
	echo "#cloud-config
ssh_authorized_keys: ['$(cat "$work/key.pub")']" >"$work/root/var/lib/cloud/seed/nocloud/user-data"
	: >"$work/root/etc/fstab" # it names disks
	systemd-nspawn --boot --directory="$work/root" --machine=native --register=no --keep-unit --settings=no --capability=CAP_NET_ADMIN \
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
((EUID == 0)) || die "run as root, which may mount a disk and make namespaces"
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
		# The kernel may still be removing a process.
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
# The root is the first partition. With its offset, the kernel need not know of partitions.
start=$(partx --noheadings --raw --output START --nr 1 "$work/disk")
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
# A cgroup of its own, in each hierarchy that systemd may use.
for tree in $(findmnt -nro TARGET -t cgroup2) $(findmnt -nro TARGET -t cgroup -O name=systemd); do
	cgroups+=("$tree/laurel-native.$$")
	mkdir "${cgroups[-1]}"
done
(
	for cgroup in "${cgroups[@]}"; do echo 0 >"$cgroup/cgroup.procs"; done
	# The system is a copy: the benchmark may write to it.
	export DISRUPT=1 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
	exec setpriv --pdeathsig KILL unshare --mount --pid --net --ipc --uts --fork --kill-child --mount-proc \
		"$0" --begin "$work" "$start" "$user" "$@"
) &
inside=$!
status=0
wait "$inside" || status=$?
inside=''
((status == 0)) || {
	echo "native: the system's log is $log" >&2
	exit "$status"
}
