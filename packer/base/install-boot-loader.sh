#!/bin/sh
# build.sh starts this once, as init, on a machine with the base disk: installs
# GRUB for BIOS and for UEFI, then removes itself and powers off.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

mount -o remount,rw /
mount LABEL=ESP /boot/efi
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sys /sys

grub-install --target=i386-pc /dev/vda
# --removable, because a cloud's firmware has no boot entry for this disk.
grub-install --target=x86_64-efi --efi-directory=/boot/efi --uefi-secure-boot --no-nvram --removable
update-grub

# Continue in another shell: while a shell reads this file, the root cannot become read-only.
exec sh -euc '
	rm /install-boot-loader.sh
	umount /boot/efi
	sync
	mount -o remount,ro /
	echo "boot loader installed"
	# There is no service manager to power off; ask the kernel.
	echo o >/proc/sysrq-trigger
	sleep 60
'
