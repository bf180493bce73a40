#!/usr/bin/env bash
# `make acceptance-vagrant`: Vagrant's machine from nothing to nothing, with libvirt:
# up, checked, reloaded, checked again, compared with the image, destroyed; and
# nothing of it is left.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

say() {
	printf 'vagrant: %s (%d s)\n' "$1" "$SECONDS"
}

# left: what libvirt and Vagrant have of a machine of ours.
left() {
	pgrep -a -f 'guest=vagrant_default|interface=virbr|dnsmasq.*vagrant-libvirt' || true
	ls vagrant/.vagrant/machines/default/*/id 2>/dev/null || true
	find /var/lib/libvirt/images -name '*vagrant_default*' -o -name 'laurel-VAGRANTSLASH*' 2>/dev/null || true
	ls /etc/libvirt/qemu/vagrant_default.xml /etc/libvirt/qemu/networks/vagrant-libvirt.xml 2>/dev/null || true
}

if [[ -n $(left) ]]; then
	printf 'vagrant: there is a machine already; "make vagrant-destroy" ends it:\n%s\n' "$(left)" >&2
	exit 1
fi
trap 'vagrant/down.sh >/dev/null 2>&1' EXIT

# The developer's loop edits the project.
export APP=$PWD/build/work/vagrant-app
rm -rf "$APP"
mkdir -p build/work
cp -r app "$APP"

say "up"
make --no-print-directory vagrant
say "its checks, before and after a reboot"
make --no-print-directory acceptance TARGET=vagrant
say "what tells it from the image"
make --no-print-directory differences
say "an edit of the project is served"
build/venv/bin/python -m pytest -q -s tests/vagrant
say "a second provisioning changes nothing"
(cd vagrant && vagrant provision --provision-with file,provision.sh) | tee build/logs/vagrant-provision.log
if grep -q '  wrote' build/logs/vagrant-provision.log; then exit 1; fi
say "reload"
(cd vagrant && vagrant reload)
say "its checks after the reload"
make --no-print-directory acceptance TARGET=vagrant DISRUPT=
say "destroy"
trap - EXIT
vagrant/down.sh
if [[ -n $(left) ]]; then
	printf 'vagrant: left behind:\n%s\n' "$(left)" >&2
	exit 1
fi
say "nothing is left"
