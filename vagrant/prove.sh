#!/usr/bin/env bash
# `make acceptance-vagrant`: Vagrant's machine from nothing to nothing, with libvirt: up, checked,
# compared with the image, worked on, reloaded, checked again, destroyed; and nothing of it is left.
#
#   prove.sh [STAGE ...]: between up and destroy, those stages alone
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
readonly provisioning=build/logs/vagrant-provision.log

say() {
	printf 'vagrant: %s (%d s)\n' "$1" "$SECONDS"
}

# there: the machines, volumes, networks and processes of libvirt, and Vagrant's boxes.
there() {
	{
		# A host that has had no machine yet lacks some of these folders.
		find /etc/libvirt/qemu /var/lib/libvirt/images ~/.vagrant.d/boxes -mindepth 1 -maxdepth 3 2>/dev/null || :
		ps -e -o comm= | awk '/^(libvirtd|virtlogd|dnsmasq|qemu-system)/'
	} | sort
}

# answers: whether the site is where the README says.
answers() {
	curl --fail --silent --show-error --output /dev/null --retry 20 --retry-connrefused \
		"http://127.0.0.1:${HTTP_PORT:-8080}/"
}

provision() {
	(cd vagrant && vagrant provision --provision-with file,provision.sh)
}

# The stages, in their order. What a stage is made of is joined by &&: a failure is the stage's.

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
	provision | tee "$provisioning" && ! grep 'laurel:   ' "$provisioning"
}

reload() { # and the checks again
	(cd vagrant && vagrant reload) && answers &&
		make --no-print-directory acceptance TARGET=vagrant DISRUPT= REPORTS=build/reports/vagrant-reloaded
}

development() {
	DEVELOPMENT=yes provision && build/venv/bin/python -m pytest -q tests/vagrant/test_development.py
}

if compgen -G "vagrant/.vagrant/machines/default/*/id" >/dev/null; then
	echo 'vagrant: there is a machine already; "make vagrant-destroy" ends it' >&2
	exit 1
fi
(($# > 0)) || set -- checks differences sync provision_again reload development
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
failed=()
for stage; do
	say "$stage"
	# All of them are seen, whatever becomes of one.
	"$stage" || failed+=("$stage")
done
say "destroy"
trap - EXIT
vagrant/down.sh
left=$(comm -13 <(echo "$before") <(there))
if [[ -n $left ]]; then
	printf 'vagrant: this is left, and was not there before:\n%s\n' "$left" >&2
	failed+=(destroy)
fi
if ((${#failed[@]} > 0)); then
	printf 'vagrant: failed: %s (%d s)\n' "${failed[*]}" "$SECONDS" >&2
	exit 1
fi
say "each stage passed, and nothing is left"
