#!/usr/bin/env bash
# Runs the project without rights, to find what only Django knows: the paths it serves, and what would
# not work on this machine. A bake has run it before, and brings found.env.
source "$(dirname "$0")/../lib.sh"

brought=$(dirname "$PROVISION")/found.env
# What the answers depend on: the project, its packages, the settings that are given, and the questions.
state=$(
	{
		pack root
		readlink /srv/site/environments/current
		FOUND='' as_called shell "$PROJECT" "$(dirname "$PROVISION")/settings.env"
		cat "$PROVISION"/{project,probe,production,files/usr/lib/laurel/laurel}/*.py "$PROVISION/isolate.sh"
	} | sha256sum
)
if [[ -f $brought ]]; then
	place "$brought" "$FOUND"
elif [[ ! -f $FOUND || $(cat "$FOUND.state" 2>/dev/null) != "$state" ]]; then
	log "  the project runs, to find its paths"
	as_called ask "$PROJECT" "$(dirname "$PROVISION")/settings.env" || die "the project would not work on this" \
		"machine: the lines above say why"
fi
echo "$state" >"$FOUND.state"
