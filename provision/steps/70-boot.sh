#!/usr/bin/env bash
# Not in the guide, which ends with a running machine: the units and settings that the next boot needs.
source "$(dirname "$0")/../lib.sh"

units=(laurel-first-boot.service laurel-configure.service laurel-migrate.service laurel-watch.service)
install_file usr/lib/laurel/begin-again 0755
install_file etc/systemd/system/cloud-config.service.d/laurel.conf
# begin-again must not repeat a first boot that has ended, as this machine's has.
for instance in /var/lib/cloud/instances/*/; do
	[[ ! -d $instance ]] || touch "${instance}laurel-complete"
done
for unit in "${units[@]}"; do
	install_file "usr/lib/systemd/system/$unit"
done
install_file etc/systemd/system/ssh.service.d/laurel.conf
install_file etc/systemd/system/logrotate.timer.d/laurel.conf
install_file etc/systemd/networkd.conf.d/laurel.conf
install_file etc/cloud/cloud.cfg.d/50-laurel-gce.cfg
install_file usr/sbin/policy-rc.d 0755
install_file etc/apt/apt.conf.d/50-laurel
if changed; then
	systemctl enable --quiet "${units[@]}"
	# The other units run at boot; this run has already done their work.
	systemctl restart laurel-watch.service logrotate.timer
fi

# ext4 keeps some of the disk for root. Redis and the site's databases may use it, too: if nginx fills the
# rest with bodies and logs, both still write.
disk=$(findmnt -no SOURCE /)
if [[ $(findmnt -no FSTYPE /) == ext4 && -b $disk ]]; then
	getent group laurel-reserve >/dev/null || groupadd --system laurel-reserve
	for user in site redis; do
		id -nG "$user" | grep -qw laurel-reserve || usermod -aG laurel-reserve "$user"
	done
	group=$(getent group laurel-reserve | cut -d: -f3)
	if ! tune2fs -l "$disk" | grep -q "^Reserved blocks gid: *$group "; then
		tune2fs -g "$group" "$disk" >/dev/null
		log "  Redis and the site may use the reserve of $disk"
	fi
fi
