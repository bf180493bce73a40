#!/usr/bin/env bash
# Only Packer runs this, as its last script. It removes everything that machines started from the
# image must not share; each machine makes its own at its first boot. Then power-off.sh removes the
# build user and powers off.
source "$(dirname "$(readlink -f "$0")")/lib.sh"

((EUID == 0)) || die "seal.sh needs root: run it with sudo"
# Sealing a machine that people use would lock them out.
id laurel-build >/dev/null 2>&1 || die "this machine was not started by a bake: it has no user laurel-build"
grep -qx DEVELOPMENT=no /etc/laurel/build.env || die "DEVELOPMENT is for machines to develop on: set it to no to bake an image"

log "seal: services"
# Otherwise a timer could fetch the package lists again or rotate a log.
systemctl stop '*.timer'
manager=supervisor
if grep -qx PROCESS_MANAGER=systemd /etc/laurel/build.env; then manager=laurel-processes; fi
systemctl stop laurel-watch.service "$manager.service" nginx.service redis-server.service
# From here on, log only to memory.
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
# Configuration of the bake's network card, and its leases: with them, DHCP would request the same
# address again.
rm -f /etc/netplan/50-cloud-init.yaml /etc/systemd/network/*cloud-init* /run/systemd/network/*cloud-init* \
	/etc/network/interfaces.d/50-cloud-init* /etc/udev/rules.d/70-persistent-*
rm -rf /var/lib/systemd/network /var/lib/dhcp/* /var/lib/dhcpcd/* /var/lib/NetworkManager/*
# "uninitialized" makes the next boot a first boot. At a first boot, systemd-firstboot asks questions
# on the console and blocks the boot until someone answers, so it is masked.
systemctl mask --quiet systemd-firstboot.service
echo uninitialized >/etc/machine-id

log "seal: traces of the build"
# A vendor's base image may have more kernels than the one that boots.
mapfile -t unused < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'linux-image-[0-9]*' |
	sed -n 's/^ii *//p' | grep -vxF "linux-image-$(uname -r)")
((${#unused[@]} == 0)) || DEBIAN_FRONTEND=noninteractive apt-get -q -y purge "${unused[@]}"
# A vendor's base image may have swap, which may hold secrets of the bake.
swapoff --all
rm -f /swapfile /swap.img
sed -i '/^[^#]*[[:space:]]swap[[:space:]]/d' /etc/fstab
# apt's and dpkg's caches: each machine fetches its own.
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/lib/apt/periodic/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/backups/*
# During the bake, dpkg does not sync each file (packer/prepare.py). On an instance it must.
rm -f /etc/dpkg/dpkg.cfg.d/laurel-build
# The name servers of the host that built the base disk.
rm -f /etc/.resolv.conf.systemd-resolved.bak
# Documentation, and the headers of packages that are not for development. Folders stay, because
# packages that are installed later put links into them.
find /usr/include /usr/share/man /usr/share/info ! -type d -delete
find /usr/share/doc -type f ! -name copyright -delete
# The times at which timers last ran (an instance would find all timers overdue and run them at once),
# crash dumps, and what root left.
rm -rf /var/lib/systemd/timers/* /var/lib/systemd/linger/* /var/lib/systemd/coredump/* /var/crash/* \
	/var/lib/sudo/*/*
rm -rf /root/.cache /root/.ssh /root/.*_history /root/.lesshst /root/.wget-hsts
find /var/log -type f -delete
rm -rf /var/log/journal/*

# Packer runs power-off.sh after this folder is deleted, so it is copied to memory.
install -m 0755 "$PROVISION/power-off.sh" /run/laurel-power-off
rm -rf "$(dirname "$PROVISION")"
log "sealed"
