#!/usr/bin/env bash
# Runs the project without rights, to find what only Django knows: the paths it serves, and what would
# not work on this machine. A bake has run it before, and brings found.env.
source "$(dirname "$0")/../lib.sh"

brought=$(dirname "$PROVISION")/found.env
given=$(dirname "$PROVISION")/settings.env

# state: prints a digest of what the answers depend on: the project, its packages, the settings that it
# does not answer itself, and the questions.
state() {
	local answered=''
	if [[ -f $FOUND ]]; then answered=$(sed 's/=.*//' "$FOUND" | paste -sd '|'); fi
	{
		pack root
		readlink /srv/site/environments/current
		FOUND='' as_called shell "$PROJECT" "$given" | grep -vE "^export ($answered)="
		cat "$PROVISION"/{project,probe,production,files/usr/lib/laurel/laurel}/*.py "$PROVISION/isolate.sh"
	} | sha256sum
}

if [[ -f $brought ]]; then
	place "$brought" "$FOUND"
elif [[ ! -f $FOUND || $(cat "$FOUND.state" 2>/dev/null) != "$(state)" ]]; then
	log "  the project runs, to find its paths"
	as_called ask "$PROJECT" "$given" || die "the project would not work on this machine: the lines above say why"
fi
now=$(state)
if [[ $(cat "$FOUND.state" 2>/dev/null) != "$now" ]]; then echo "$now" >"$FOUND.state"; fi
