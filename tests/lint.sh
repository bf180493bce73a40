#!/usr/bin/env bash
# Formats, types, shell and templates: everything that can be wrong without running.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

echo "lint: ruff"
build/venv/bin/ruff check --quiet .
build/venv/bin/ruff format --check --quiet .

echo "lint: mypy"
build/venv/bin/mypy --no-error-summary packer provision/project provision/files/usr/lib/laurel/laurel tests/machine tests/acceptance/*.py tests/acceptance/first_boot/clouds/instance.py tests/bench/*.py

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
	echo "lint: vagrant is not installed (\`make vagrant\` does it): the Vagrantfile was not looked at"
fi

echo "lint: packer"
packer fmt -check -diff packer >/dev/null || {
	echo "lint: packer fmt would change packer/; run \`make format\`" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
touch "$work/payload.tar.gz"
for system in packer/os/*.pkrvars.hcl; do
	packer validate -var-file="$system" -var base_image="$work/payload.tar.gz" -var accelerator=tcg \
		-var payload="$work/payload.tar.gz" -var seed_directory="$work" -var build_key="$work/key" \
		-var output_directory="$work/output" packer >"$work/log" || {
		cat "$work/log" >&2
		echo "lint: $system is not valid" >&2
		exit 1
	}
done
