#!/usr/bin/env bash
# Prints the checksums of the package indexes that the archive currently signs
# for a suite. They change exactly when a package in the suite changes.
# Usage: archive-index.sh SUITE. Fails if the archive is not reachable.
set -euo pipefail

suite=${1:?usage: archive-index.sh SUITE}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache"

# mmdebstrap knows the default mirrors of a suite.
mmdebstrap --quiet --variant=custom --skip=update,download,extract,cleanup \
	--setup-hook="cp \"\$1/etc/apt/sources.list\" '$work/'" "$suite" - >/dev/null 2>"$work/log" || {
	cat "$work/log" >&2
	exit 1
}

# Download only the signed InRelease files, a few hundred kB.
cat >"$work/apt.conf" <<-EOF
	Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";
	Acquire::IndexTargets::deb::Translations::DefaultEnabled "false";
	APT::Update::Error-Mode "any";
	Dir::Etc::SourceList "$work/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::State::Lists "$work/lists";
	Dir::Cache "$work/cache";
EOF
APT_CONFIG=$work/apt.conf apt-get update >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	exit 1
}

architecture=$(dpkg --print-architecture)
sed -n "/^SHA256:/,\$s/^ \([0-9a-f]\{64\}\) .* main\/binary-$architecture\/Packages\$/\1/p" \
	"$work"/lists/*_InRelease
