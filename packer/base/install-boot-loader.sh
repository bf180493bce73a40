#!/bin/sh
# Runs once, as init, on the base disk's own machine (see build.sh): installs
# GRUB for BIOS and for UEFI, then removes itself and powers off.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

mount -o remount,rw /
mount LABEL=ESP /boot/efi
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sys /sys

grub-install --target=i386-pc /dev/vda
# --removable: a cloud's firmware has no boot entry for this disk.
grub-install --target=x86_64-efi --efi-directory=/boot/efi --uefi-secure-boot --no-nvram --removable
update-grub

# Not from this file any more: as long as a shell reads it, the root stays busy.
exec sh -euc '
	rm /install-boot-loader.sh
	umount /boot/efi
	sync
	mount -o remount,ro /
	echo "boot loader installed"
	# No service manager runs: the kernel is told itself.
	echo o >/proc/sysrq-trigger
	sleep 60
'
