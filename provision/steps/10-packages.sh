#!/usr/bin/env bash
# Guide: "sudo apt install nginx supervisor". And what the project runs on.
source "$(dirname "$0")/../lib.sh"

# libnss-myhostname: a host name that does not resolve makes every sudo slow.
packages=(nginx redis-server python3 iproute2 libnss-myhostname)
if [[ $PROCESS_MANAGER == supervisor ]]; then packages+=(supervisor); fi

if [[ -d /etc/needrestart ]]; then
	# Ubuntu's needrestart asks which services to restart; sudo drops its environment variable.
	install_file etc/needrestart/conf.d/50-laurel.conf
fi
apt_install "${packages[@]}"
