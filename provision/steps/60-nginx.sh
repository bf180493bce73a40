#!/usr/bin/env bash
# Guide: nginx's upstream and server blocks, then "sudo service nginx reload".
source "$(dirname "$0")/../lib.sh"

install_file etc/systemd/system/nginx.service.d/laurel.conf
if changed; then
	systemctl daemon-reload
fi

# Debian's 768 connections are few; a machine's memory says how many it has room for.
render etc/nginx/laurel/events.conf
include='include /etc/nginx/laurel/events.conf;'
if ! grep -qF "$include" /etc/nginx/nginx.conf; then
	sed -i "s,^\(\s*\)worker_connections .*,\1$include," /etc/nginx/nginx.conf
	grep -qF "$include" /etc/nginx/nginx.conf || die "/etc/nginx/nginx.conf has no worker_connections to replace"
	CHANGED+=(/etc/nginx/nginx.conf)
fi
render etc/nginx/sites-available/site.conf
install_file etc/logrotate.d/site
if [[ ! -L /etc/nginx/sites-enabled/site.conf ]]; then
	ln -s ../sites-available/site.conf /etc/nginx/sites-enabled/site.conf
	rm -f /etc/nginx/sites-enabled/default
	CHANGED+=(/etc/nginx/sites-enabled/site.conf)
fi

nginx -t -q
if changed; then
	systemctl reload-or-restart nginx.service
fi

# A reload renders all templates, and only now are all of them on the machine.
laurel_tool reload --if-outdated
laurel_tool wait
