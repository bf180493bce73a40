#!/usr/bin/env bash
# A channel layer in memory, as the guide allows, does not reach other processes. Redis carries
# the messages; a project with a layer in memory is refused if it runs in several processes.
source "$(dirname "$0")/../lib.sh"

install_file etc/systemd/system/redis-server.service.d/laurel.conf
if changed; then
	systemctl daemon-reload
fi
systemctl start redis-server.service

laurel_tool check-layer
