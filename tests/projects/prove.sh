#!/usr/bin/env bash
# `make acceptance-projects`: bakes each project of this folder, unmodified, and runs the acceptance
# checks on its image, except those that kill or restart: they run on app/'s image. NAME ... selects
# projects.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.."
readonly projects=tests/projects work=build/work/projects

(($# > 0)) || set -- deep_root https_redirect long_poll pipfile procfile_worker source_build uv_lock
mkdir -p "$work"
failed=()
for name; do
	rm -rf "${work:?}/$name"
	printf 'projects: %s (%d s)\n' "$name" "$SECONDS"
	# Go on with the others after a failure.
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
printf 'projects: all passed (%d s)\n' "$SECONDS"
