#!/usr/bin/env bash
# Locks the requirements of app/ and of the tools, with hashes and without a registry's name.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
compile=(build/venv/bin/uv pip compile --quiet --generate-hashes --custom-compile-command "make lock")

# 3.11 is the oldest Python of the systems that are baked (Debian 12's).
"${compile[@]}" --universal --python-version 3.11 app/requirements.in -o app/requirements.txt
"${compile[@]}" --universal --python-version 3.11 provision/servers.in -o provision/servers.txt
"${compile[@]}" --python-version 3.11 tests/requirements.in -o tests/requirements.txt
"${compile[@]}" --universal --python-version 3.11 provision/uv.in -o provision/uv.txt
"${compile[@]}" --universal --no-deps --python-version 3.11 provision/production/requirements.in -o provision/production/requirements.txt

npm install --prefix tests/hcl --package-lock-only --ignore-scripts --no-audit --no-fund \
	--omit-lockfile-registry-resolved=true
