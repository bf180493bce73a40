#!/usr/bin/env bash
# `make acceptance SUITE=projects`: bakes each project of this folder, unmodified, and checks its
# image. It leaves out the checks that kill or restart any site, which run for app/.
# Usage: prove.sh [NAME...]: all projects, or those alone
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.."
readonly projects=tests/projects work=build/work/projects

(($# > 0)) || set -- deep_root https_redirect long_poll pipfile procfile_worker source_build uv_lock
mkdir -p "$work"
failed=()
for name; do
	rm -rf "${work:?}/$name"
	printf 'projects: %s (%d s)\n' "$name" "$SECONDS"
	# A failure does not stop the other projects.
	if ! { "$projects/make-locks.sh" "$projects/$name" "$work/$name" &&
		make --no-print-directory inspect image acceptance APP="$work/$name" \
			OWN="tests/acceptance/projects/test_$name.py" CHECKS="${CHECKS-not disruptive or own}"; }; then
		failed+=("$name")
	fi
done
if ((${#failed[@]} > 0)); then
	printf 'projects: failed: %s (%d s)\n' "${failed[*]}" "$SECONDS" >&2
	exit 1
fi
printf 'projects: each one was baked and passed (%d s)\n' "$SECONDS"
