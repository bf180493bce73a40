#!/usr/bin/env bash
# What Packer alone runs, last: takes away all that must not be shared by the
# machines that start from the image. Each makes its own when it boots.
source "$(dirname "$(readlink -f "$0")")/lib.sh"

((EUID == 0)) || die "seal.sh needs root: run it with sudo"
# Sealing a machine that people use would lock them out.
id laurel-build >/dev/null 2>&1 || die "this machine was not started by the bake: it has no laurel-build user"
grep -qx DEVELOPMENT=no /etc/laurel/build.env || die "DEVELOPMENT is for machines to develop on: no image is baked with it"

log "seal: services"
systemctl stop laurel-watch.service supervisor.service nginx.service redis-server.service

log "seal: the site's identity and data"
rm -f /etc/laurel/site.env /etc/laurel/instance-id
find /var/lib/site /var/log/site /var/lib/redis -mindepth 1 -delete
rm -rf /var/cache/laurel /var/lib/apt/periodic/laurel-update

log "seal: the machine's identity"
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/dbus/machine-id /etc/hostname
if [[ -e /boot/efi/loader/random-seed ]]; then rm /boot/efi/loader/random-seed; fi
cloud-init clean --logs --seed
rm -f /etc/netplan/50-cloud-init.yaml /etc/systemd/network/*cloud-init* /run/systemd/network/*cloud-init* \
	/etc/network/interfaces.d/50-cloud-init* /etc/udev/rules.d/70-persistent-net.rules
rm -rf /var/lib/systemd/network /var/lib/dhcp/*
# "uninitialized" makes the next boot a first boot; the question that
# systemd-firstboot would then ask on the console waits for ever.
systemctl mask --quiet systemd-firstboot.service
echo uninitialized >/etc/machine-id

log "seal: traces of the build"
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -f /etc/dpkg/dpkg.cfg.d/laurel-build
rm -rf /root/.cache /root/.ssh /root/.*_history /tmp/laurel.tar.gz /var/tmp/*
find /var/log -type f -delete
rm -rf /var/log/journal/*
rm -rf "$(dirname "$PROVISION")"

sync
fstrim --all --quiet || log "seal: the disk takes no trim: free space stays in the image"
log "sealed"
