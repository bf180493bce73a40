#!/usr/bin/env bash
# Provisions this machine: runs the steps in order, as root. Packer, Vagrant and a bare SSH shell all
# start here. A second run changes nothing.
#
#     provision.sh [STEP ...]    all steps, or the named ones, such as 20-site
#
# Beside provision/ lie the project (app/) and optional files: settings.env has the settings of this run;
# found.env those that the project answered when it ran; requirements.lock what its requirements were resolved
# to; build.env what only the build needs (proxies, the revision of the source); ca.pem is the CA bundle of
# a build host whose TLS is intercepted.
source "$(dirname "$(readlink -f "$0")")/lib.sh"

((EUID == 0)) || die "provision.sh needs root: run it with sudo"

# Add a system here when its image passes the acceptance tests.
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
	# uv and pip read these variables. The machine's own certificate store stays as it is.
	export SSL_CERT_FILE=$payload/ca.pem PIP_CERT=$payload/ca.pem
fi

# For the programs that read the settings and render the templates.
apt_install python3 python3-jinja2 python3-packaging
load_settings
if [[ -f /etc/laurel/build.env ]]; then
	# The build.env of an older machine has no PROCESS_MANAGER: supervisor runs there.
	manager=$(sed -n 's/^PROCESS_MANAGER=//p' /etc/laurel/build.env)
	[[ ${manager:-supervisor} == "$PROCESS_MANAGER" ]] ||
		die "${manager:-supervisor} runs this machine's processes; PROCESS_MANAGER=$PROCESS_MANAGER needs a new machine"
fi

started=$SECONDS
mapfile -t steps < <(cd "$PROVISION/steps" && printf '%s\n' *.sh | sed 's/\.sh$//')
for name; do
	[[ " ${steps[*]} " == *" $name "* ]] || die "there is no step $name; the steps are: ${steps[*]}"
done
(($# == 0)) || steps=("$@")
for i in "${!steps[@]}"; do
	log "step $((i + 1)) of ${#steps[@]}: ${steps[i]} ($((SECONDS - started)) s)"
	bash "$PROVISION/steps/${steps[i]}.sh" || die "step ${steps[i]} failed"
	[[ ${steps[i]} != 17-questions ]] || load_settings
done
log "provisioned in $((SECONDS - started)) s"
