#!/usr/bin/env bash
# `make acceptance SUITE=servers`: gives the short run to every value that is not the default, of the
# settings that choose what serves, on an image of app/ whose virtualenv has every server.
# Usage: prove.sh [RUN...]: all runs, or those alone
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../../.."
readonly work=build/work/servers

# settings_of RUN: the settings of its machine. PROCESS_MANAGER comes first: the bake fixes it.
settings_of() {
	case $1 in
	uvicorn | hypercorn | granian) echo "ASGI_SERVER=$1" ;;
	gunicorn) echo "HTTP_SERVER=gunicorn ASGI_PATHS=/healthz ASGI_HOSTS=asgi.example.com" ;;
	core) echo "CHANNEL_LAYER=core BIND_ADDRESS=127.0.0.2 BIND_PORT=8001" ;;
	memory) echo "CHANNEL_LAYER=memory PROCESSES=1" ;;
	systemd) echo "PROCESS_MANAGER=systemd BIND_PORT=8001" ;;
	systemd_others) echo "PROCESS_MANAGER=systemd ASGI_SERVER=uvicorn HTTP_SERVER=gunicorn CHANNEL_LAYER=pubsub" ;;
	*)
		echo "servers: unknown run $1" >&2
		return 1
		;;
	esac
}

# bake PROJECT MANAGER: bakes app/ with every server, as build/work/servers/PROJECT.
bake() {
	rm -rf "${work:?}/$1" && mkdir -p "$work" && cp -r app "$work/$1" &&
		cat app/requirements.txt provision/servers.txt >"$work/$1/requirements.txt" &&
		make --no-print-directory image APP="$work/$1" PROCESS_MANAGER="$2"
}

(($# > 0)) || set -- uvicorn hypercorn granian gunicorn core memory systemd systemd_others
for run; do settings_of "$run" >/dev/null; done
declare -A baked=()
failed=()
for run; do
	settings=$(settings_of "$run")
	manager=supervisor
	[[ $settings != PROCESS_MANAGER=systemd* ]] || manager=systemd
	project=servers_$manager
	printf 'servers: %s: %s (%d s)\n' "$run" "$settings" "$SECONDS"
	# A failure does not stop the other runs.
	if [[ -z ${baked[$project]:-} ]]; then
		if bake "$project" "$manager"; then baked[$project]=yes; else baked[$project]=no; fi
	fi
	if [[ ${baked[$project]} == no ]] || ! make --no-print-directory acceptance APP="$work/$project" \
		OWN=tests/acceptance/chat_site CHECKS="${CHECKS-short}" SET="$settings" REPORTS="build/reports/servers/$run"; then
		failed+=("$run")
	fi
done
if ((${#failed[@]} > 0)); then
	printf 'servers: failed: %s (%d s)\n' "${failed[*]}" "$SECONDS" >&2
	exit 1
fi
printf 'servers: each run passed (%d s)\n' "$SECONDS"
