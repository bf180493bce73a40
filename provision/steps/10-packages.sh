#!/usr/bin/env bash
# Guide: "sudo apt install nginx supervisor". And what the project runs on.
source "$(dirname "$0")/../lib.sh"

before=$(sed -n 's/^PROCESS_MANAGER=//p' /etc/laurel/build.env 2>/dev/null || true) # not there, the first time
[[ ${before:-$PROCESS_MANAGER} == "$PROCESS_MANAGER" ]] ||
	die "$before starts this machine's processes, and PROCESS_MANAGER=$PROCESS_MANAGER: that is for a new machine"

# libnss-myhostname: a host name that does not resolve makes every sudo slow.
packages=(nginx redis-server python3 iproute2 libnss-myhostname)
if [[ $PROCESS_MANAGER == supervisor ]]; then packages+=(supervisor); fi

if [[ -d /etc/needrestart ]]; then
	# Ubuntu's needrestart asks which services to restart; sudo drops its environment variable.
	install_file etc/needrestart/conf.d/50-laurel.conf
fi
apt_install "${packages[@]}"
