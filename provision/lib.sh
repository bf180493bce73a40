#!/usr/bin/env bash
# Sourced by every step: strict mode, log lines, settings, files onto the machine.
set -euo pipefail
# Without it, a failure inside $(...) goes unseen.
shopt -s inherit_errexit

PROVISION=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# The project to bake lies beside provision/, as in the repository.
PROJECT=${PROJECT:-$(dirname "$PROVISION")/app}
TEMPLATES=/usr/share/laurel/templates

log() {
	printf 'laurel: %s\n' "$*"
}

die() {
	printf 'laurel: error: %s\n' "$*" >&2
	exit 1
}

# The names that settings.sh defines.
setting_names() {
	sed -n 's/^: "${\([A-Z_]*\):=.*/\1/p' "$PROVISION/settings.sh"
}

# read_settings FILE: takes KEY=VALUE lines for settings that are not set yet.
read_settings() {
	local line key value number=0
	while IFS= read -r line || [[ -n $line ]]; do
		number=$((number + 1))
		# As editors of Windows save it.
		line=${line%$'\r'} line=${line#$'\xef\xbb\xbf'}
		[[ $line =~ ^[[:space:]]*(#|$) ]] && continue
		# For the project itself; 20-site takes them.
		[[ $line =~ ^export\ [A-Za-z_][A-Za-z0-9_]*= ]] && continue
		key=${line%%=*}
		if [[ $line != *=* ]] || ! setting_names | grep -qxF -- "$key"; then
			die "$1, line $number: no such setting: '$line'. Known: $(setting_names | xargs)"
		fi
		value=${line#*=}
		# One pair of quotes around all of it, as the machine's own files may have.
		if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
		[[ -n ${!key:-} ]] || export "$key=$value"
	done <"$1"
}

# inspect report|settings [OPTION ...]: what the project is made of, and what about it can't work.
inspect() {
	local names
	mapfile -t names < <(setting_names)
	PYTHONPATH=$PROVISION python3 -m project "$1" "$PROJECT" "${@:2}" "${names[@]}"
}

# read_given: the settings that somebody gave for this run, each from the first place that has it.
read_given() {
	local file
	for file in "$(dirname "$PROVISION")/settings.env" "$PROJECT/laurel.env"; do
		[[ ! -f $file ]] || read_settings "$file"
	done
}

# load_settings: every setting of this run: given, or found in the project, or the default.
load_settings() {
	local found name
	read_given
	found=$(mktemp)
	inspect settings >"$found" || die "the project can't be baked: the lines above say why"
	read_settings "$found"
	rm "$found"
	# shellcheck source=provision/settings.sh
	source "$PROVISION/settings.sh"
	for name in DEVELOPMENT TLS_IN_FRONT; do
		[[ ${!name} =~ ^(yes|no)$ ]] || die "$name=${!name}: it is yes or no"
	done
	for name in $(setting_names); do export "${name?}"; done
}

# Files that this step changed; see `changed`.
CHANGED=()

# place SOURCE TARGET [MODE] [OWNER:GROUP]: copies a file if it differs, whole or not at all.
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

# place_package SOURCE TARGET: makes TARGET hold the Python files of SOURCE and no other.
place_package() {
	local source=$1 target=$2
	diff -rq --exclude=__pycache__ "$source" "$target" >/dev/null 2>&1 && return
	rm -rf "$target.laurel-new"
	install -d "$target.laurel-new"
	install -m 0644 "$source"/*.py "$target.laurel-new"
	rm -rf "$target"
	mv "$target.laurel-new" "$target"
	# Else each machine does it when it first boots, before its site starts.
	python3 -m compileall -q "$target"
	CHANGED+=("$target")
	log "  wrote $target"
}

# render PATH: places the template files/PATH where each boot renders it again,
# and renders it at /PATH.
render() {
	place "$PROVISION/files/$1" "$TEMPLATES/$1"
	if [[ -n $(laurel_tool render "/$1") ]]; then
		CHANGED+=("/$1")
		log "  rendered /$1"
	fi
}

# changed: whether this step changed a file.
changed() {
	((${#CHANGED[@]} > 0))
}

# The operator's command, from this folder: the machine gets it in a later step.
laurel_tool() {
	python3 "$PROVISION/files/usr/bin/laurel" "$@"
}

# apt_install PACKAGE...: installs what is missing; waits for apt's locks, asks nothing.
apt_install() {
	local missing=() package
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	((${#missing[@]} > 0)) || return 0
	log "  installing ${missing[*]}"
	local options=(-y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold)
	# A build host's CA bundle, where its TLS is intercepted; for this command alone.
	[[ -z ${SSL_CERT_FILE:-} ]] || options+=(-o "Acquire::https::CaInfo=$SSL_CERT_FILE")
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l APT_LISTCHANGES_FRONTEND=none
	if [[ ! -e /var/lib/apt/periodic/laurel-update ]]; then
		apt-get "${options[@]}" update
		install -D /dev/null /var/lib/apt/periodic/laurel-update
	fi
	# No service starts before its step has configured it: nginx never serves its own page.
	SYSTEMD_OFFLINE=1 apt-get "${options[@]}" --no-install-recommends install "${missing[@]}"
}
