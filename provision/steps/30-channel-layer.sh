#!/usr/bin/env bash
# The guide allows a channel layer in memory, which does not reach other processes. This step starts
# Redis, and refuses a layer in memory if the site runs in several processes.
source "$(dirname "$0")/../lib.sh"

install_file etc/systemd/system/redis-server.service.d/laurel.conf
if changed; then
	systemctl daemon-reload
fi
systemctl start redis-server.service

laurel_tool check-layer
