#!/usr/bin/env bash
# `make sync`: brings the project as it is now onto Vagrant's machine, as a release
# of its own, and renews the site's processes one at a time.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"

if ! compgen -G ".vagrant/machines/default/*/id" >/dev/null; then
	echo "sync: there is no machine: run \`make vagrant\` first" >&2
	exit 1
fi
# Only libvirt's folders are copies; VirtualBox shares the host's own.
if [[ -e .vagrant/machines/default/libvirt/id ]]; then vagrant rsync; fi
exec vagrant ssh --no-tty --command \
	"sudo bash /laurel/provision/provision.sh 15-environment 20-site 50-supervisor 60-nginx 90-describe"
