#!/usr/bin/env bash
# What Packer alone runs, last: takes away all that must not be shared by the
# machines that start from the image. Each makes its own when it boots.
# power-off.sh then takes the build user, and ends the machine.
source "$(dirname "$(readlink -f "$0")")/lib.sh"

((EUID == 0)) || die "seal.sh needs root: run it with sudo"
# Sealing a machine that people use would lock them out.
id laurel-build >/dev/null 2>&1 || die "this machine was not started by the bake: it has no laurel-build user"
grep -qx DEVELOPMENT=no /etc/laurel/build.env || die "DEVELOPMENT is for machines to develop on: no image is baked with it"

log "seal: services"
# No timer may fetch the package lists again, or rotate a log.
systemctl stop '*.timer'
manager=supervisor
if grep -qx PROCESS_MANAGER=systemd /etc/laurel/build.env; then manager=laurel-processes; fi
systemctl stop laurel-watch.service "$manager.service" nginx.service redis-server.service
# What is logged from here on is logged in memory.
journalctl --relinquish-var

log "seal: the site's identity and data"
rm -f /etc/laurel/site.env /etc/laurel/instance-id
find /var/lib/site /var/log/site /var/lib/redis -mindepth 1 -delete
rm -rf /var/cache/laurel /var/lib/apt/periodic/laurel-update

log "seal: the machine's identity"
rm -f /etc/ssh/ssh_host_* /etc/hostname /var/lib/dbus/machine-id \
	/var/lib/systemd/random-seed /var/lib/systemd/credential.secret
if [[ -e /boot/efi/loader/random-seed ]]; then rm /boot/efi/loader/random-seed; fi
cloud-init clean --logs --seed
# Networks by the bake's card, and its leases: DHCP would ask for the same address again.
rm -f /etc/netplan/50-cloud-init.yaml /etc/systemd/network/*cloud-init* /run/systemd/network/*cloud-init* \
	/etc/network/interfaces.d/50-cloud-init* /etc/udev/rules.d/70-persistent-*
rm -rf /var/lib/systemd/network /var/lib/dhcp/* /var/lib/dhcpcd/* /var/lib/NetworkManager/*
# "uninitialized" makes the next boot a first boot; the question that
# systemd-firstboot would then ask on the console waits for ever.
systemctl mask --quiet systemd-firstboot.service
echo uninitialized >/etc/machine-id

log "seal: traces of the build"
# Kernels that a vendor's base image had besides the one that boots.
mapfile -t unused < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'linux-image-[0-9]*' |
	sed -n 's/^ii *//p' | grep -vxF "linux-image-$(uname -r)")
((${#unused[@]} == 0)) || DEBIAN_FRONTEND=noninteractive apt-get -q -y purge "${unused[@]}"
swapoff --all
rm -f /swapfile /swap.img
sed -i '/^[^#]*[[:space:]]swap[[:space:]]/d' /etc/fstab
# What the system's packager keeps for later: each machine fetches its own.
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/lib/apt/periodic/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/backups/*
rm -f /etc/dpkg/dpkg.cfg.d/laurel-build
# The name servers of the host that built the base disk.
rm -f /etc/.resolv.conf.systemd-resolved.bak
# Headers of packages that are no -dev packages, and documentation. Folders stay, for packages
# that come later link into them.
find /usr/include /usr/share/man /usr/share/info ! -type d -delete
find /usr/share/doc -type f ! -name copyright -delete
# When timers last ran, which would make all of them run at once; what crashed; what root did.
rm -rf /var/lib/systemd/timers/* /var/lib/systemd/linger/* /var/lib/systemd/coredump/* /var/crash/* \
	/var/lib/sudo/*/*
rm -rf /root/.cache /root/.ssh /root/.*_history /root/.lesshst /root/.wget-hsts
find /var/log -type f -delete
rm -rf /var/log/journal/*

# Packer runs it once this folder is gone; memory alone holds it.
install -m 0755 "$PROVISION/power-off.sh" /run/laurel-power-off
rm -rf "$(dirname "$PROVISION")"
log "sealed"
