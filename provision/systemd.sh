#!/usr/bin/env bash
# 50-supervisor sources this if PROCESS_MANAGER is systemd: installs and starts units for the
# processes, instead of the guide's [fcgi-program:asgi].

install_file usr/lib/systemd/system/laurel-processes.service
render etc/systemd/system/asgi.socket
for unit in asgi wsgi procfile; do
	render "etc/systemd/system/$unit@.service"
	place "$PROVISION/files/etc/systemd/system/asgi@.service.d/laurel.conf" "/etc/systemd/system/$unit@.service.d/laurel.conf"
done
if changed; then
	# Stop the processes while systemd still knows the units that started them.
	if systemctl is-active --quiet laurel-processes.service; then
		systemctl stop laurel-processes.service asgi.socket
	fi
	systemctl daemon-reload
fi
systemctl enable --quiet laurel-processes.service
systemctl start laurel-processes.service
# If only the number of processes has changed, the service is already active, and the command above
# starts no process.
laurel_tool start
