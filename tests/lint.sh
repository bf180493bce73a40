#!/usr/bin/env bash
# Checks formats, types, shell and templates.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

echo "lint: ruff"
build/venv/bin/ruff check --quiet .
build/venv/bin/ruff format --check --quiet .

echo "lint: mypy"
build/venv/bin/mypy --no-error-summary packer provision/project provision/files/usr/lib/laurel/laurel tests/machine tests/acceptance/*.py tests/acceptance/first_boot/clouds/instance.py tests/bench/*.py tests/prove.py

echo "lint: shellcheck, shfmt"
mapfile -t scripts < <(shfmt -f packer provision tests vagrant)
shellcheck "${scripts[@]}" .ci/run
shfmt -d "${scripts[@]}" .ci/run

echo "lint: vagrant"
if command -v vagrant >/dev/null; then
	for provider in libvirt virtualbox; do
		(cd vagrant && VAGRANT_DEFAULT_PROVIDER=$provider vagrant validate --ignore-provider) >/dev/null
	done
else
	echo "lint: vagrant is not installed (\`make vagrant\` installs it): the Vagrantfile was not checked"
fi

echo "lint: packer"
packer fmt -check -diff packer >/dev/null || {
	echo "lint: packer fmt would change packer/; run \`make format\`" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
template=$(packer/template.sh "$work/template")
for system in packer/os/*.pkrvars.hcl; do
	# An earlier `make prepare` may have named a key that no longer exists: check without one.
	packer validate -var-file="$system" -var build_key= "$template" >"$work/log" || {
		cat "$work/log" >&2
		echo "lint: $system is not valid" >&2
		exit 1
	}
done
if command -v npm >/dev/null; then
	# Debian's Packer is of 2020. This is the HCL parser of today's Packer.
	if ! cmp -s tests/hcl/package-lock.json build/hcl/package-lock.json || [[ ! -d build/hcl/node_modules ]]; then
		rm -rf build/hcl && cp -r tests/hcl "$work/hcl"
		(cd "$work/hcl" && npm ci --ignore-scripts --no-audit --no-fund >/dev/null)
		mkdir -p build && mv "$work/hcl" build/hcl
	fi
	NODE_PATH=build/hcl/node_modules node tests/hcl/parse.cjs packer/*.hcl packer/os/*.hcl
else
	echo "lint: npm is not installed: the HCL was not parsed as today's Packer does"
fi
