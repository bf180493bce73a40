#!/usr/bin/env bash
# `make acceptance-vagrant`: Vagrant's machine from nothing to nothing, with libvirt:
# up, checked, reloaded, checked again, compared with the image, destroyed; and
# nothing of it is left.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

say() {
	printf 'vagrant: %s (%d s)\n' "$1" "$SECONDS"
}

# there: the machines, volumes, networks and processes of libvirt, and Vagrant's boxes.
there() {
	find /etc/libvirt/qemu /var/lib/libvirt/images ~/.vagrant.d/boxes -mindepth 1 -maxdepth 3 2>/dev/null | sort
	ps -e -o comm= | awk '/^(libvirtd|virtlogd|dnsmasq|qemu-system)/' | sort
}

# answers: whether the site is where the README says.
answers() {
	curl --fail --silent --show-error --output /dev/null --retry 20 --retry-connrefused \
		"http://127.0.0.1:${HTTP_PORT:-8080}/"
}

if compgen -G "vagrant/.vagrant/machines/default/*/id" >/dev/null; then
	echo 'vagrant: there is a machine already; "make vagrant-destroy" ends it' >&2
	exit 1
fi
before=$(there)
# After a failure, which has been told by then: leave as little as can be.
trap 'vagrant/down.sh >/dev/null 2>&1' EXIT

# The developer's loop edits the project.
export APP=$PWD/build/work/vagrant/app
rm -rf "$APP"
mkdir -p "${APP%/*}"
cp -r app "$APP"

say "up"
make --no-print-directory vagrant
answers
say "its checks, before and after a reboot"
make --no-print-directory acceptance TARGET=vagrant DISRUPT=1
say "what tells it from the image"
make --no-print-directory differences
say "an edit of the project is served"
build/venv/bin/python -m pytest -q -s tests/vagrant/test_sync.py
say "a second provisioning changes nothing"
(cd vagrant && vagrant provision --provision-with file,provision.sh) | tee build/logs/vagrant-provision.log
if grep 'laurel:   ' build/logs/vagrant-provision.log; then
	echo "vagrant: the second provisioning changed what stands above" >&2
	exit 1
fi
say "reload"
(cd vagrant && vagrant reload)
answers
say "its checks after the reload"
make --no-print-directory acceptance TARGET=vagrant DISRUPT= REPORTS=build/reports/vagrant-reloaded
say "provisioned for development"
(cd vagrant && DEVELOPMENT=yes vagrant provision --provision-with file,provision.sh)
build/venv/bin/python -m pytest -q tests/vagrant/test_development.py
say "destroy"
trap - EXIT
vagrant/down.sh
if ! diff <(echo "$before") <(there); then
	echo "vagrant: what stands above was not there before" >&2
	exit 1
fi
say "nothing is left"
