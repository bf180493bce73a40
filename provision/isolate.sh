#!/usr/bin/env bash
# Runs a command in namespaces of its own, in a root file system. Run as root.
#
#     isolate.sh build ROOT FOLDER COMMAND...   as ROOT's own root, with the network; may write to ROOT
#     isolate.sh probe ROOT FOLDER COMMAND...   without rights and network, with limits of time, memory
#                                               and processes; may write to /tmp only
#
# ROOT may be /. FOLDER appears as /run/laurel-work, read-only. Variables, each of which may be missing:
#
#     ARCHIVES, PACKAGES   folders that keep what `build` downloads with apt and uv
#     EXPOSE               a folder that the probe may read although a folder above it is closed;
#                          everything beside it is hidden
#     PROBE_SECONDS        the probe's limit of time
#
# When COMMAND ends, all processes that it started end.
set -euo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin # for pivot_root and ip

# No account has this number.
readonly probe_user=65533
readonly seconds=${PROBE_SECONDS:-120} memory_mib=2048 processes=512

# begin MODE ROOT FOLDER COMMAND...: runs as the first process of the namespaces, and stays it.
begin() {
	local mode=$1 root=$2 folder=$3 view=$2 name scratch_mib status=0
	shift 3
	# The scratch space holds a copy of the project and its static files.
	scratch_mib=$((256 + 4 * $(du -sm "$folder" | cut -f 1)))
	if [[ $root == / ]]; then view=/mnt; fi
	mount --bind "$root" "$view"
	mount -t proc -o nosuid,nodev,noexec proc "$view/proc"
	mount -t tmpfs -o mode=755,size=1m tmpfs "$view/dev"
	# No tty: a program could type into the operator's terminal.
	for name in null zero full random urandom; do
		: >"$view/dev/$name"
		mount --bind "/dev/$name" "$view/dev/$name"
	done
	ln -s /proc/self/fd "$view/dev/fd"
	ln -s /proc/self/fd/0 "$view/dev/stdin"
	ln -s /proc/self/fd/1 "$view/dev/stdout"
	ln -s /proc/self/fd/2 "$view/dev/stderr"
	mkdir "$view/dev/pts"
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$view/dev/pts"
	ln -s pts/ptmx "$view/dev/ptmx"
	ln -s /tmp "$view/dev/shm"
	mount -t tmpfs -o mode=755,size=16m tmpfs "$view/run"
	mount -t tmpfs -o "mode=1777,size=${scratch_mib}m,nosuid,nodev" tmpfs "$view/tmp"
	mkdir "$view/run/laurel-work"
	mount --bind -o ro "$folder" "$view/run/laurel-work"
	"prepare_$mode" "$view"
	# Not chroot, which root can leave: the host's file system is no longer there.
	cd "$view"
	pivot_root . .
	umount -l .
	trap 'exit 130' INT TERM
	"run_$mode" "$@" &
	wait "$!" || status=$?
	if [[ $mode == build ]]; then rm -f /usr/sbin/policy-rc.d; fi
	exit "$status"
}

# keep FOLDER TARGET: makes TARGET a view of FOLDER, unless FOLDER is empty.
# shellcheck disable=SC2317 # called by prepare_build
keep() {
	[[ -n $1 ]] || return 0
	mkdir -p "$1" "$2"
	mount --bind "$1" "$2"
}

# shellcheck disable=SC2317 # called by its mode
prepare_build() {
	local view=$1 link
	keep "${ARCHIVES:-}" "$view/var/cache/apt/archives"
	keep "${PACKAGES:-}" "$view/var/cache/laurel/packages"
	# On most systems, resolv.conf is a link to a file of a service that does not run here.
	if [[ -L $view/etc/resolv.conf ]]; then
		link=$(readlink "$view/etc/resolv.conf")
		[[ $link == /* ]] || link=/etc/$link
		install -D -m 0644 /etc/resolv.conf "$view$link"
	fi
	# No package may start its service here.
	printf '#!/bin/sh\nexit 101\n' >"$view/usr/sbin/policy-rc.d"
	chmod 0755 "$view/usr/sbin/policy-rc.d"
}

# shellcheck disable=SC2317 # called by its mode
run_build() {
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 setsid setpriv \
		--bounding-set=-sys_admin,-sys_module,-sys_rawio,-sys_ptrace,-sys_boot,-sys_time,-mknod "$@" </dev/null
}

# shellcheck disable=SC2317 # called by its mode
prepare_probe() {
	local view=$1 first=${EXPOSE:-}
	if [[ -n $first ]]; then
		first=${first#/}
		mount -t tmpfs -o mode=755,size=1m tmpfs "$view/${first%%/*}"
		mkdir -p "$view$EXPOSE"
		mount --bind "$EXPOSE" "$view$EXPOSE"
	fi
	mount --bind "$view/tmp" "$view/var/tmp"
	ip link set lo up
	mount -o remount,bind,ro "$view"
}

# shellcheck disable=SC2317 # called by its mode
run_probe() {
	ulimit -c 0
	[[ -n ${LIMITED:-} ]] || ulimit -u "$processes" -v $((memory_mib * 1024))
	exec env -i PATH=/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 setsid setpriv --reuid="$probe_user" \
		--regid="$probe_user" --clear-groups --no-new-privs --bounding-set=-all "$@" </dev/null
}

# limit NAME VALUE [OLD_NAME]: limits all processes of the probe together, by a cgroup. Succeeds if the
# kernel's cgroups have this limit.
limit() {
	local tree=/sys/fs/cgroup file=$1
	if [[ ! -e $tree/cgroup.controllers ]]; then # version 1 has a tree for each controller
		tree=$tree/${1%%.*} file=${3:-$1}
	fi
	local cgroup=$tree/laurel-probe.$$
	[[ -d $cgroup ]] || mkdir "$cgroup" 2>/dev/null || return 1
	cgroups+=("$cgroup")
	[[ -w $cgroup/$file ]] && echo "$2" >"$cgroup/$file"
}

if [[ $1 == --begin ]]; then begin "${@:2}"; fi
((EUID == 0)) || {
	echo "isolate: run as root, which may make namespaces" >&2
	exit 1
}
namespaces=(--mount --pid --ipc --uts --fork --kill-child)
[[ $1 == probe ]] || exec unshare "${namespaces[@]}" "$0" --begin "$@"
cgroups=() status=0
# Without cgroups, each process has the limit of memory for itself, and two probes share that of processes.
if limit pids.max "$processes" && limit memory.max "${memory_mib}M" memory.limit_in_bytes; then
	export LIMITED=yes
fi
(
	for cgroup in "${cgroups[@]}"; do echo 0 >"$cgroup/cgroup.procs"; done
	exec timeout --foreground --signal=KILL "$seconds" unshare "${namespaces[@]}" --net "$0" --begin "$@"
) || status=$?
for cgroup in "${cgroups[@]}"; do
	# The kernel may still be removing a process.
	for _ in {1..50}; do
		if [[ ! -d $cgroup ]] || rmdir "$cgroup" 2>/dev/null; then break; fi
		sleep 0.1
	done
done
exit "$status"
