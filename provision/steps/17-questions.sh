#!/usr/bin/env bash
# Runs the project without rights, to find what only Django knows: the paths it serves, and what would
# not work on this machine. A bake has done this before.
source "$(dirname "$0")/../lib.sh"

[[ $FOUND == /var/cache/* ]] || exit 0
state=$(
	{
		project files "$PROJECT" | tar -C "$PROJECT" --no-recursion --null --files-from=- --mtime='2000-01-01 UTC' -cf -
		readlink /srv/site/environments/current
		FOUND='' project shell "$PROJECT" "$(dirname "$PROVISION")/settings.env"
		cat "$PROVISION"/project/*.py "$PROVISION"/probe/*.py
	} | sha256sum
)
if [[ ! -f $FOUND || $(cat "$FOUND.state" 2>/dev/null) != "$state" ]]; then
	log "  the project runs, to find its paths"
	project ask "$PROJECT" "$(dirname "$PROVISION")/settings.env" || die "the project would not work on this" \
		"machine: the lines above say why"
	echo "$state" >"$FOUND.state"
fi
