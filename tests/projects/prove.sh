#!/usr/bin/env bash
# `make acceptance-projects`: bakes each project of this folder, unmodified, and puts its image to
# the proof, but for what kills or restarts any site: app/'s proof has that. NAME ... takes those
# alone.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.."
readonly projects=tests/projects work=build/work/projects

(($# > 0)) || set -- deep_root https_redirect long_poll pipfile procfile_worker source_build uv_lock
mkdir -p "$work"
failed=()
for name; do
	rm -rf "${work:?}/$name"
	printf 'projects: %s (%d s)\n' "$name" "$SECONDS"
	# All of them are seen, whatever becomes of one.
	if ! { "$projects/make-locks.sh" "$projects/$name" "$work/$name" &&
		make --no-print-directory inspect image acceptance APP="$work/$name" \
			CHECKS="${CHECKS-not disruptive or own}"; }; then
		failed+=("$name")
	fi
done
if ((${#failed[@]} > 0)); then
	printf 'projects: failed: %s (%d s)\n' "${failed[*]}" "$SECONDS" >&2
	exit 1
fi
printf 'projects: each was baked and serves (%d s)\n' "$SECONDS"
