#!/usr/bin/env bash
# The guide: a channel layer in memory loses messages between processes. Redis
# carries them; a project that several processes can't share is refused.
source "$(dirname "$0")/../lib.sh"

install_file etc/systemd/system/redis-server.service.d/laurel.conf
if changed; then
	systemctl daemon-reload
fi
systemctl start redis-server.service

laurel_tool check-layer
