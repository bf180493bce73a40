#!/usr/bin/env bash
# Packer's shutdown command: takes the build user, and ends the machine so that
# no service writes after it. An orderly shutdown would leave a random seed, the
# copies that userdel made of passwd, a log of all that.
set -euo pipefail

# --force: this very session is his.
rm -f /etc/sudoers.d/90-cloud-init-users
userdel --force --remove laurel-build
rm -f /etc/{passwd,shadow,group,gshadow,subuid,subgid}-
# Who logged in, and what Packer brought.
find /var/log /var/lib -type f \( -path '/var/log/*' -o -path '/var/lib/wtmpdb/*' -o -path '/var/lib/lastlog/*' \) -delete
rm -rf /tmp/* /tmp/.[!.]* /var/tmp/*

# What was freed is discarded only once the disk knows of it.
sync
fstrim --all --quiet-unsupported

# The kernel is told itself: make all file systems read-only (u), then power off (o).
echo u >/proc/sysrq-trigger
for _ in {1..60}; do
	if dmesg | grep -q 'Emergency Remount complete'; then
		echo o >/proc/sysrq-trigger
	fi
	sleep 1
done
echo "laurel: error: the machine was told to power off a minute ago, and is still up" >&2
exit 1
