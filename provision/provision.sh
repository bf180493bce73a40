#!/usr/bin/env bash
# Provisions this machine: runs the steps in order. The only entry, for Packer,
# Vagrant and a bare SSH shell alike. As root; a second run changes nothing.
#
#     provision.sh [STEP ...]    all steps, or those named, such as 20-site
#
# Lies beside the project (app/), and beside two files that may be missing:
# settings.env, the settings of this run, and build.env, what only the build
# needs: proxies, a CA bundle, the revision of the source.
source "$(dirname "$(readlink -f "$0")")/lib.sh"

((EUID == 0)) || die "provision.sh needs root: run it with sudo"

# Known systems; a new one is added here once its image passes the acceptance tests.
known="debian-12 debian-13 ubuntu-24.04"
# shellcheck source=/dev/null
system=$(source /etc/os-release && echo "$ID-${VERSION_ID:-unknown}")
[[ " $known " == *" $system "* ]] || die "$system is not a system that Laurel knows: $known"

payload=$(dirname "$PROVISION")
if [[ -f $payload/build.env ]]; then
	set -a
	# shellcheck source=/dev/null
	source "$payload/build.env"
	set +a
fi
if [[ -f $payload/ca.pem ]]; then
	# uv and pip read these names; nothing is installed into the machine's own store.
	export SSL_CERT_FILE=$payload/ca.pem PIP_CERT=$payload/ca.pem
fi

# What reads the settings, and renders the templates.
apt_install python3 python3-jinja2 python3-packaging
load_settings
if [[ -f /etc/laurel/build.env ]]; then
	# Before there was a choice, it was supervisor.
	manager=$(sed -n 's/^PROCESS_MANAGER=//p' /etc/laurel/build.env)
	[[ ${manager:-supervisor} == "$PROCESS_MANAGER" ]] ||
		die "${manager:-supervisor} starts this machine's processes, and PROCESS_MANAGER=$PROCESS_MANAGER: that is for a new machine"
fi

started=$SECONDS
mapfile -t steps < <(cd "$PROVISION/steps" && printf '%s\n' *.sh | sed 's/\.sh$//')
for name; do
	[[ " ${steps[*]} " == *" $name "* ]] || die "$name is no step; the steps: ${steps[*]}"
done
(($# == 0)) || steps=("$@")
for i in "${!steps[@]}"; do
	log "step $((i + 1)) of ${#steps[@]}: ${steps[i]} ($((SECONDS - started)) s)"
	bash "$PROVISION/steps/${steps[i]}.sh" || die "step ${steps[i]} failed"
done
log "provisioned in $((SECONDS - started)) s"
