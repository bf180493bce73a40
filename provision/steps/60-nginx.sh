#!/usr/bin/env bash
# Guide: nginx's upstream and server blocks, then "sudo service nginx reload".
source "$(dirname "$0")/../lib.sh"

install_file etc/systemd/system/nginx.service.d/laurel.conf
if changed; then
	systemctl daemon-reload
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
