#!/usr/bin/env bash
# The guide allows a channel layer in memory, which does not reach other processes. This step starts
# Redis, and refuses a layer in memory if the site runs in several processes.
source "$(dirname "$0")/../lib.sh"

install_file etc/sysctl.d/60-laurel.conf
if changed; then
	sysctl -q -p /etc/sysctl.d/60-laurel.conf
fi

CHANGED=()
render etc/redis/laurel.conf
install_file etc/systemd/system/redis-server.service.d/laurel.conf
if changed; then
	systemctl daemon-reload
	systemctl restart redis-server.service
fi
systemctl start redis-server.service

laurel_tool check-layer
