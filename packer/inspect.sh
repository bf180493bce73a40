#!/usr/bin/env bash
# `make inspect` for programs: make ends with 2 for every failure, and this with the exit codes of report.py.
# Usage: APP=../project JSON=yes packer/inspect.sh
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
packer/prerequisites.sh >&2
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=packer:provision:provision/files/usr/lib/laurel
exec build/venv/bin/python packer/report.py
