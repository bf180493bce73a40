#!/usr/bin/env bash
# Builds the base disk of a system from its own signed archive: GPT, one ext4
# root that grows, BIOS and UEFI, cloud-init, serial console.
#
# Usage: build.sh VAR_FILE ACCELERATOR FOLDER, as root.
# VAR_FILE is one of packer/os/; ACCELERATOR is `kvm`, `tcg` or `auto`. Writes into FOLDER:
#
#   root/      the root file system
#   boot.raw   the disk without its root: partition table and boot loaders; for disk.sh
#   uuid       of the root's file system, which the boot loader looks for
#   vmlinuz    the kernel
set -euo pipefail
umask 022 # not this user's: the files on the disk need a distribution's modes

here=$(dirname "$(readlink -f "$0")")
var_file=${1:?usage: build.sh VAR_FILE ACCELERATOR FOLDER}
accelerator=${2:?usage: build.sh VAR_FILE ACCELERATOR FOLDER}
folder=${3:?usage: build.sh VAR_FILE ACCELERATOR FOLDER}

readonly bios_boot_start=1 # MiB; GRUB's core image, 1 MiB
readonly esp_start=2       # MiB
readonly esp_mib=64        # shim, GRUB and room for firmware updates
# shellcheck source=packer/base/layout.sh
source "$here/layout.sh"
readonly boot_limit=300 # seconds; 30 in emulation on two idle cores

# value NAME: prints one string of the var-file.
value() {
	sed -n "s/^$1 *= *\"\(.*\)\"\$/\1/p" "$var_file"
}

suite=$(value suite)
kernel_package=$(value kernel_package)
boot_packages=$(value boot_packages)
: "${suite:?$var_file sets no suite}" "${kernel_package:?$var_file sets no kernel_package}"

work=$(mktemp -d "$folder/.base.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
disk=$work/disk.raw

# Packages that a vendor's cloud image has and the archive's minimum lacks. Without dbus,
# `cloud-init status --wait` never ends; without e2fsprogs the root does not grow.
read -ra packages <<<"$kernel_package $boot_packages"
packages+=(
	systemd-sysv dbus udev kmod e2fsprogs systemd-timesyncd
	cloud-init cloud-guest-utils openssh-server sudo
	ca-certificates iproute2 iputils-ping netbase procps less logrotate tzdata
)

# The package lists and their cache stay for the bake, because `apt-get update` takes long in
# emulation; seal.sh removes them. Translated package descriptions are not needed.
echo "base: the root file system of $suite"
# The hooks get these paths from the environment, because a path may hold blanks.
export BASE_FILES=$here/files BOOT_LOADER_INSTALLER=$here/install-boot-loader.sh
# shellcheck disable=SC2016 # the hook's shell expands the variables
mmdebstrap --mode=root --variant=minbase --format=directory \
	--include="${packages[*]}" \
	--skip=cleanup/apt/lists,cleanup/apt/cache \
	--aptopt='Acquire::Languages "none"' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--customize-hook='cp -r --no-preserve=mode "$BASE_FILES/etc" "$1"' \
	--customize-hook='install -m 0755 "$BOOT_LOADER_INSTALLER" "$1/install-boot-loader.sh"' \
	--customize-hook='chroot "$1" systemctl enable systemd-networkd.service' \
	--customize-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname" "$1"/etc/ssh/ssh_host_*' \
	--customize-hook='mkdir -p "$1/var/log/journal" "$1/boot/efi"' \
	--customize-hook='install -D /dev/null "$1/var/lib/apt/periodic/laurel-update"' \
	--customize-hook='chroot "$1" sh -c "apt-get clean && apt-cache gencaches"' \
	"$suite" "$root"
if [[ -e $root/usr/lib/systemd/systemd-resolved ]]; then
	ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
fi
: >"$root/etc/machine-id"

echo "base: the disk"
truncate -s "${disk_mib}M" "$disk"
# Partition numbers as on the vendors' cloud images, where the root is 1.
sfdisk --quiet "$disk" <<-EOF
	label: gpt
	disk14 : start=${bios_boot_start}MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
	disk15 : start=${esp_start}MiB, size=${esp_mib}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
	disk1 : start=${root_start}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
EOF
mkfs.vfat -n ESP -C "$work/esp" $((esp_mib * 1024)) >/dev/null
dd if="$work/esp" of="$disk" bs=1M seek="$esp_start" conv=notrunc,sparse status=none
uuid=$(cat /proc/sys/kernel/random/uuid)
write_root "$root" "$uuid" "$disk"

cp "$(readlink -f "$root"/boot/vmlinuz-*)" "$work/vmlinuz"
cp "$(readlink -f "$root"/boot/initrd.img-*)" "$work/initrd"
if [[ $accelerator == auto ]]; then
	accelerator=$("$here/../accelerator.sh" "$work/vmlinuz")
fi

# grub-install must run on a machine that has the disk. So QEMU starts one, with the disk's kernel
# from outside the disk, and with the installer as init.
echo "base: the boot loader ($accelerator)"
timeout --foreground "$boot_limit" qemu-system-x86_64 -nodefaults -no-user-config -nographic -no-reboot \
	-machine "pc,accel=$accelerator" -cpu max -m 1024 \
	-kernel "$work/vmlinuz" -initrd "$work/initrd" \
	-append "root=LABEL=root rw console=ttyS0 panic=-1 quiet mitigations=off init=/install-boot-loader.sh" \
	-drive "file=$disk,if=virtio,format=raw,cache=unsafe" \
	-serial stdio </dev/null | tee "$work/console"
grep -q '^boot loader installed' "$work/console" || {
	echo "base: the boot loader was not installed; the console above says why" >&2
	exit 1
}

# The boot loader's files are part of each root file system that disk.sh writes.
rm "$root/install-boot-loader.sh"
debugfs -R "rdump /boot/grub $root/boot" "$disk?offset=$((root_start << 20))" 2>/dev/null
[[ -s $root/boot/grub/grub.cfg ]] || {
	echo "base: the disk has no /boot/grub/grub.cfg" >&2
	exit 1
}
fallocate --punch-hole --offset "${root_start}MiB" --length "$((disk_mib - root_start - 1))MiB" "$disk"
echo "$uuid" >"$work/uuid"
chmod 0644 "$work/vmlinuz"
for made in "$disk" "$work/uuid" "$work/vmlinuz" "$root"; do
	name=${made##*/}
	mv "$made" "$folder/${name/disk.raw/boot.raw}"
done
