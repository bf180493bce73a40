#!/usr/bin/env bash
# Proves Vagrant's machine with libvirt, from nothing to nothing: up, the stages below, destroy; and
# nothing is left.
#
#   prove.sh [STAGE ...]    only these stages between up and destroy
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.."
readonly settings=vagrant/settings.env log=build/logs/vagrant-provision.log

say() {
	printf 'vagrant: %s (%d s)\n' "$1" "$SECONDS"
}

# Lists libvirt's machines, volumes, networks and processes, and Vagrant's boxes.
inventory() {
	{
		# Some of these folders are missing before a host's first machine.
		find /etc/libvirt/qemu /var/lib/libvirt/images ~/.vagrant.d/boxes -mindepth 1 -maxdepth 3 2>/dev/null || :
		ps -e -o comm= | awk '/^(libvirtd|virtlogd|dnsmasq|qemu-system)/'
	} | sort
}

site_answers() {
	curl --fail --silent --show-error --output /dev/null --retry 20 --retry-connrefused \
		"http://127.0.0.1:${HTTP_PORT:-8080}/"
}

provision() {
	(cd vagrant && vagrant provision --provision-with file,provision.sh)
}

# The stages, in their order. Their commands are joined by &&, because `||` below turns off errexit.

checks() { # before and after a reboot
	make --no-print-directory acceptance TARGET=vagrant DISRUPT=1
}

differences() { # from the image
	make --no-print-directory differences
}

sync() { # an edit of the project is served
	build/venv/bin/python -m pytest -q -s tests/vagrant/test_sync.py
}

provision_again() { # changes nothing
	provision | tee "$log" && ! grep 'laurel:   ' "$log"
}

reload() { # and the checks again
	(cd vagrant && vagrant reload) && site_answers &&
		make --no-print-directory acceptance TARGET=vagrant DISRUPT= REPORTS=build/reports/vagrant-reloaded
}

development() {
	echo DEVELOPMENT=yes >>"$settings" && provision &&
		build/venv/bin/python -m pytest -q tests/vagrant/test_development.py
}

for file in vagrant/.vagrant/machines/default/*/id "$settings"; do
	if [[ -e $file ]]; then
		echo "vagrant: $file exists: run \`make vagrant-destroy\`, and move your settings away" >&2
		exit 1
	fi
done
(($# > 0)) || set -- checks differences sync provision_again reload development
before=$(inventory)
trap 'vagrant/down.sh >/dev/null 2>&1; rm -f "$settings"' EXIT

# A stage edits the project.
export APP=$PWD/build/work/vagrant/app
rm -rf "$APP"
mkdir -p "${APP%/*}"
cp -r app "$APP"

say "up"
make --no-print-directory vagrant APP="$APP"
site_answers
failed=()
for stage; do
	say "$stage"
	"$stage" || failed+=("$stage") # the other stages still run
done
say "destroy"
trap 'rm -f "$settings"' EXIT
vagrant/down.sh
left=$(comm -13 <(echo "$before") <(inventory))
if [[ -n $left ]]; then
	printf 'vagrant: left behind:\n%s\n' "$left" >&2
	failed+=(destroy)
fi
if ((${#failed[@]} > 0)); then
	printf 'vagrant: failed: %s (%d s)\n' "${failed[*]}" "$SECONDS" >&2
	exit 1
fi
say "each stage passed, and nothing is left"
