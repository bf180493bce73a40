#!/usr/bin/env bash
# Guide: supervisor's [fcgi-program:asgi], then "sudo supervisorctl reread" and "sudo supervisorctl
# update". With PROCESS_MANAGER=systemd: units instead. Before the processes start, this step also
# installs the operator's command and migrates the database.
source "$(dirname "$0")/../lib.sh"

# supervisor and the units call this command before they start a process.
place_package "$PROVISION/files/usr/lib/laurel/laurel" /usr/lib/laurel/laurel
install_file usr/lib/laurel/settings.toml
for server in "$PROVISION"/files/usr/lib/laurel/servers/*.conf; do
	install_file "usr/lib/laurel/servers/${server##*/}"
done
install_file usr/bin/laurel 0755
# Below, `changed` is about the unit's files only.
CHANGED=()

laurel_tool migrate --if-outdated
if [[ $PROCESS_MANAGER == systemd ]]; then
	# shellcheck source=provision/systemd.sh
	source "$PROVISION/systemd.sh"
else
	install_file etc/systemd/system/supervisor.service.d/laurel.conf
	if changed; then
		systemctl daemon-reload
		systemctl restart supervisor.service
	fi
	render etc/supervisor/conf.d/asgi.conf
	render etc/supervisor/conf.d/wsgi.conf
	render etc/supervisor/conf.d/procfile.conf
	supervisorctl reread
	supervisorctl update
fi
