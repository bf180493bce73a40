#!/usr/bin/env bash
# Not in the guide: what a machine on a public network needs.
source "$(dirname "$0")/../lib.sh"

install_file etc/ssh/sshd_config.d/10-laurel.conf
if changed; then
	sshd -t
	systemctl reload ssh.service
fi

install_file etc/cloud/cloud.cfg.d/60-vendor-data.cfg

CHANGED=()
install_file etc/systemd/journald.conf.d/laurel.conf
if changed; then
	systemctl restart systemd-journald.service
fi

# Turn off systemd's SSH over VSOCK: nothing uses it, and on a host without VSOCK each boot logs an error.
generator=/etc/systemd/system-generators/systemd-ssh-generator
if [[ -e /usr/lib/systemd/system-generators/systemd-ssh-generator && ! -L $generator ]]; then
	install -d "${generator%/*}"
	ln -s /dev/null "$generator"
fi

CHANGED=()
if systemctl is-active --quiet systemd-resolved.service; then
	install_file etc/systemd/resolved.conf.d/laurel.conf
fi
if changed; then
	systemctl restart systemd-resolved.service
fi
