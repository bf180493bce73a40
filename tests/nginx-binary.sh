#!/usr/bin/env bash
# Prints the path of an nginx executable: the installed one, or one unpacked from
# this host's archive into build/tools, so that no service starts. The integration
# tests run Laurel's configuration with it.
set -euo pipefail

die() {
	printf 'nginx-binary: %s\n' "$*" >&2
	exit 1
}

# An ordinary user's PATH lacks /usr/sbin.
if PATH=$PATH:/usr/sbin command -v nginx; then
	exit
fi

tools=$(dirname "$(dirname "$(readlink -f "$0")")")/build/tools
folder=$tools/nginx
binary=$folder/usr/sbin/nginx

# apt-cache takes seconds, and its answer changes only when the package lists do.
if [[ -x $binary && $folder/version -nt /var/lib/apt/lists ]]; then
	echo "$binary"
	exit
fi

version=$(apt-cache policy nginx | sed -n 's/^ *Candidate: *//p') || die "apt-cache failed: install nginx by hand"
[[ -n $version && $version != "(none)" ]] ||
	die "the archive's package lists hold no nginx: run 'apt-get update', or install nginx"

if [[ ! -x $binary || $(cat "$folder/version") != "$version" ]]; then
	mkdir -p "$tools"
	work=$(mktemp -d "$tools/.nginx.XXXXXX")
	trap 'rm -rf "$work"' EXIT

	options=(-q -o APT::Sandbox::User=) # the sandbox's user can't write into this folder
	# The CA bundle of a host behind a proxy that intercepts TLS.
	[[ -z ${SSL_CERT_FILE:-} ]] || options+=(-o "Acquire::https::CaInfo=$SSL_CERT_FILE")
	(cd "$work" && apt-get "${options[@]}" download "nginx=$version") >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		die "apt-get could not download nginx $version: its answer is above"
	}
	dpkg -x "$work"/nginx_*.deb "$work/nginx"
	"$work/nginx/usr/sbin/nginx" -V 2>"$work/log" || {
		cat "$work/log" >&2
		die "nginx $version of the archive does not run here: install nginx instead"
	}
	echo "$version" >"$work/nginx/version"
	rm -rf "$folder"
	mv -T "$work/nginx" "$folder"
fi
touch "$folder/version"
echo "$binary"
