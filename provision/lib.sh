#!/usr/bin/env bash
# Sourced by every step: strict mode, log lines, settings, files for the machine.
set -euo pipefail
# Without it, a failure inside $(...) is ignored.
shopt -s inherit_errexit

PROVISION=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# The project lies beside provision/, as in the repository.
PROJECT=${PROJECT:-$(dirname "$PROVISION")/app}
TEMPLATES=/usr/share/laurel/templates
# The settings that only the running project knows: see steps/17-questions.sh.
export FOUND=/etc/laurel/found.env

log() {
	printf 'laurel: %s\n' "$*"
}

die() {
	printf 'laurel: error: %s\n' "$*" >&2
	exit 1
}

# project VERB ...: runs provision/project, which finds what the project is made of.
project() {
	PYTHONPATH=$PROVISION:$PROVISION/files/usr/lib/laurel python3 -m project "$@"
}

# as_called VERB ...: `project`, with the settings in the environment that provision.sh was started with.
# Otherwise every setting that load_settings exports would count as given.
as_called() (
	for name in ${SETTING_NAMES-}; do
		[[ " ${GIVEN-} " == *" $name "* ]] || unset "$name"
	done
	project "$@"
)

# load_settings: exports every setting of this run (given, found in the project, or the default), and
# SETTING_NAMES, the names of all of them.
load_settings() {
	local exports name
	if [[ -z ${GIVEN+set} ]]; then
		export GIVEN=''
		for name in $(compgen -e); do [[ -z ${!name} ]] || GIVEN+="$name "; done
	fi
	exports=$(as_called shell "$PROJECT" "$(dirname "$PROVISION")/settings.env") ||
		die "the project can't be baked: the lines above say why"
	eval "$exports"
}

# pack OWNER: writes the project's files to stdout as a tar archive, the same one for the same files.
pack() {
	project files "$PROJECT" | tar -C "$PROJECT" --no-recursion --null --files-from=- \
		--mtime='2000-01-01 UTC' --owner="$1" --group="$1" --mode='u=rwX,g=rX,o=' -cf -
}

# The files that this step has changed; see `changed`.
CHANGED=()

# place SOURCE TARGET [MODE] [OWNER:GROUP]: copies a file if it differs. The target is never half written.
place() {
	local source=$1 target=$2 mode=${3:-0644} owner=${4:-root:root}
	if [[ -e $target ]] && cmp -s "$source" "$target" &&
		[[ $(stat -c '%04a %U:%G' "$target") == "$mode $owner" ]]; then
		return
	fi
	install -D -m "$mode" -o "${owner%:*}" -g "${owner#*:}" "$source" "$target.laurel-new"
	mv -f "$target.laurel-new" "$target"
	CHANGED+=("$target")
	log "  wrote $target"
}

# install_file PATH [MODE] [OWNER:GROUP]: places files/PATH at /PATH.
install_file() {
	place "$PROVISION/files/$1" "/$1" "${@:2}"
}

# place_package SOURCE TARGET: makes TARGET hold the Python files of SOURCE and no others.
place_package() {
	local source=$1 target=$2
	diff -rq --exclude=__pycache__ "$source" "$target" >/dev/null 2>&1 && return
	rm -rf "$target.laurel-new"
	install -d "$target.laurel-new"
	install -m 0644 "$source"/*.py "$target.laurel-new"
	rm -rf "$target"
	mv "$target.laurel-new" "$target"
	# Otherwise each machine compiles them at its first boot, before its site starts.
	python3 -m compileall -q "$target"
	CHANGED+=("$target")
	log "  wrote $target"
}

# render PATH: places the template files/PATH, which each boot renders again, and renders it at /PATH.
render() {
	place "$PROVISION/files/$1" "$TEMPLATES/$1"
	local rendered
	rendered=$(laurel_tool render "/$1") # not inside the condition, where a failure would be ignored
	if [[ -n $rendered ]]; then
		CHANGED+=("/$1")
		log "  rendered /$1"
	fi
}

# changed: succeeds if this step changed a file.
changed() {
	((${#CHANGED[@]} > 0))
}

# laurel_tool VERB ...: the operator's command, from this folder, because a later step installs it.
laurel_tool() {
	python3 "$PROVISION/files/usr/bin/laurel" "$@"
}

# apt_install PACKAGE...: installs the missing packages and asks no questions. Another apt, such as
# unattended-upgrades, may hold the lock for minutes: this waits for it up to 600 s.
apt_install() {
	local missing=() package
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	((${#missing[@]} > 0)) || return 0
	log "  installing ${missing[*]}"
	local options=(-y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold)
	# The build host's CA bundle, for this command only.
	[[ -z ${SSL_CERT_FILE:-} ]] || options+=(-o "Acquire::https::CaInfo=$SSL_CERT_FILE")
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l APT_LISTCHANGES_FRONTEND=none
	if [[ ! -e /var/lib/apt/periodic/laurel-update ]]; then
		apt-get "${options[@]}" update
		install -D /dev/null /var/lib/apt/periodic/laurel-update
	fi
	# No service starts before its step has configured it, so nginx never serves its default page.
	SYSTEMD_OFFLINE=1 apt-get "${options[@]}" --no-install-recommends install "${missing[@]}"
}
