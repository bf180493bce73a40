#!/usr/bin/env bash
# Guide: "sudo apt install nginx supervisor". Also installs Redis and Python for the project.
source "$(dirname "$0")/../lib.sh"

# `laurel` runs ip and ss of iproute2. libnss-myhostname resolves the machine's own name; without it
# every sudo waits for DNS.
# systemd-zram-generator adds swap in compressed memory.
packages=(nginx redis-server python3 iproute2 libnss-myhostname systemd-zram-generator)
if [[ $PROCESS_MANAGER == supervisor ]]; then packages+=(supervisor); fi

if [[ -d /etc/needrestart ]]; then
	# Ubuntu's needrestart asks which services to restart. A file also answers it in an operator's
	# `sudo apt-get`, because sudo removes NEEDRESTART_MODE.
	install_file etc/needrestart/conf.d/50-laurel.conf
fi
install_file etc/systemd/zram-generator.conf
apt_install "${packages[@]}"
