#!/usr/bin/env bash
# Sourced by 50-supervisor, in place of the guide's program, where PROCESS_MANAGER
# is systemd: the units of the processes, and what starts them.

install_file usr/lib/systemd/system/laurel-processes.service
render etc/systemd/system/asgi.socket
for unit in asgi wsgi procfile; do
	render "etc/systemd/system/$unit@.service"
	place "$PROVISION/files/etc/systemd/system/asgi@.service.d/laurel.conf" "/etc/systemd/system/$unit@.service.d/laurel.conf"
done
if changed; then
	# They end as what they were started as; systemd forgets that as it reads the files.
	if systemctl is-active --quiet laurel-processes.service; then
		systemctl stop laurel-processes.service asgi.socket
	fi
	systemctl daemon-reload
fi
systemctl enable --quiet laurel-processes.service
systemctl start laurel-processes.service
# That runs already where only their number has changed.
laurel_tool start
