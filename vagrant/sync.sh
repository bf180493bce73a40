#!/usr/bin/env bash
# `make sync`: copies the project onto Vagrant's machine, as a new release, and restarts the site's
# processes one at a time.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"

if ! compgen -G ".vagrant/machines/default/*/id" >/dev/null; then
	echo "sync: there is no machine: run \`make vagrant\` first" >&2
	exit 1
fi
# VirtualBox shares the host's folders: there is nothing to copy.
if [[ -e .vagrant/machines/default/libvirt/id ]]; then vagrant rsync; fi
exec vagrant ssh --no-tty --command \
	"sudo bash /laurel/provision/provision.sh 15-environment 17-questions 20-site 50-supervisor 60-nginx 90-describe"
