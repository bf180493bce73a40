#!/usr/bin/env bash
# Packer's shutdown command: removes the build user, and powers off at once, so that no service
# writes to the disk afterwards. An orderly shutdown would leave a random seed and logs.
set -euo pipefail

rm -f /etc/sudoers.d/90-cloud-init-users
# --force, because Packer is logged in as this user.
userdel --force --remove laurel-build
rm -f /etc/{passwd,shadow,group,gshadow,subuid,subgid}-
# Login records, and the files that Packer uploaded.
find /var/log /var/lib -type f \( -path '/var/log/*' -o -path '/var/lib/wtmpdb/*' -o -path '/var/lib/lastlog/*' \) -delete
rm -rf /tmp/* /tmp/.[!.]* /var/tmp/*

# fstrim discards free blocks only after the deletions are on the disk.
sync
fstrim --all --quiet-unsupported

# Ask the kernel directly: make all file systems read-only (u), then power off (o).
echo u >/proc/sysrq-trigger
for _ in {1..60}; do
	if dmesg | grep -q 'Emergency Remount complete'; then
		echo o >/proc/sysrq-trigger
	fi
	sleep 1
done
echo "laurel: error: the machine is still up a minute after it was asked to power off" >&2
exit 1
