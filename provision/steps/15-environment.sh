#!/usr/bin/env bash
# The guide assumes a virtualenv. This step makes it from the project's requirements (REQUIREMENTS)
# and names it after their content. 20-site then links the release to it.
source "$(dirname "$0")/../lib.sh"

readonly environments=/srv/site/environments cache=/var/cache/laurel
export UV_CACHE_DIR=$cache/packages UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
file=$PROJECT/${REQUIREMENTS:?}
[[ -f $file ]] || die "REQUIREMENTS: there is no file $file"

# shellcheck disable=SC2086 # package names, separated by blanks
[[ -z $APT_PACKAGES ]] || apt_install $APT_PACKAGES

install -d -m 0755 /srv/site "$environments"

# find_uv: prints the path of uv, which installs the project's packages. A bake and Vagrant upload uv.
# On other machines this installs it, into a virtualenv, so that the system's Python stays as it is.
find_uv() {
	local brought
	brought=$(dirname "$PROVISION")/bin/uv
	if [[ -x $brought ]]; then
		echo "$brought"
		return
	fi
	if ! cmp -s "$PROVISION/uv.txt" "$cache/uv/uv.txt"; then
		rm -rf "$cache/uv"
		apt_install python3-venv >&2
		python3 -m venv "$cache/uv"
		"$cache/uv/bin/pip" --quiet --disable-pip-version-check install --require-hashes -r "$PROVISION/uv.txt"
		cp "$PROVISION/uv.txt" "$cache/uv/uv.txt"
	fi
	echo "$cache/uv/bin/uv"
}

# as_requirements TARGET: prints the path of a requirements file; a lock file is converted into TARGET.
as_requirements() {
	case $(basename "$file") in
	uv.lock)
		"$uv" export --quiet --project "$(dirname "$file")" --python "$environment/bin/python" --frozen \
			--no-dev --no-emit-project --no-header --output-file "$1" >/dev/null
		;;
	poetry.lock | Pipfile.lock)
		project requirements "$file" >"$1"
		;;
	*)
		echo "$file"
		return
		;;
	esac
	echo "$1"
}

# install_packages OPTION...: installs into the virtualenv; uv's output is in the file $said.
install_packages() {
	"$uv" pip install --quiet --python "$environment" "$@" 2>&1 | tee "$said" >&2
}

# add_packages PACKAGE...: installs what the project lacks, as servers.txt locks it. No version of the
# project's own packages changes.
add_packages() {
	local installed
	installed=$("$uv" pip freeze --python "$environment")
	project pins <<<"$installed" >"$work/pins.txt"
	install_packages --constraint "$work/pins.txt" "$@" && return
	grep -q 'No solution found' "$said" || return 1
	log "  the locked versions do not fit the project's packages: installing others, without hashes"
	grep -E '^[A-Za-z0-9._-]+==' <<<"$installed" >"$work/pins.txt"
	install_packages --constraint "$work/pins.txt" "$@"
}

# headers: prints the -dev packages that common Python packages need for a build from source.
headers() {
	# sed instead of cat, because a file may end without a newline or begin with a UTF-8 mark.
	{
		echo "$requirements"
		project sources "$PROJECT" "$file"
	} | xargs -d '\n' sed 's/^\xef\xbb\xbf//' | grep -aoiE '^[a-z0-9][a-z0-9._-]*' |
		tr 'A-Z_.' 'a-z--' | sort -u | while read -r package; do
		case $package in
		psycopg2 | psycopg-c) echo libpq-dev ;;
		mysqlclient) echo default-libmysqlclient-dev ;;
		lxml) echo libxml2-dev libxslt1-dev ;;
		pillow) echo libjpeg-dev zlib1g-dev ;;
		cffi) echo libffi-dev ;;
		python-ldap) echo libldap2-dev libsasl2-dev ;;
		pycurl) echo libcurl4-openssl-dev libssl-dev ;;
		xmlsec) echo libxmlsec1-dev libxmlsec1-openssl ;;
		pyodbc) echo unixodbc-dev ;;
		pygraphviz) echo libgraphviz-dev ;;
		esac
	done
}

installed() {
	dpkg-query -W -f '${Package}\n' | sort
}

# install_built: installs the compiler and headers, builds, and removes them. The libraries that the
# built packages link to stay.
install_built() {
	local before added kept unneeded
	log "  packages without a wheel are built from source: installing the compiler and headers"
	before=$(installed)
	# shellcheck disable=SC2046,SC2086 # package names, separated by blanks
	apt_install build-essential pkg-config python3-dev $(headers) $BUILD_PACKAGES
	install_packages "${options[@]}" || die "cannot install $REQUIREMENTS, even with a compiler: see the lines" \
		"above. If a package needs headers, add BUILD_PACKAGES=\"libfoo-dev\" to laurel.env"
	added=$(comm -13 <(echo "$before") <(installed))
	# The packages that own a library to which a built module links.
	kept=$(find "$environment" -name '*.so*' -exec ldd {} + 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $3}' |
		sort -u | xargs -r realpath | xargs -r -n 1 dpkg -S 2>/dev/null | cut -d: -f1 | sort -u)
	log "  removing the compiler and headers"
	xargs -r apt-mark auto >/dev/null <<<"$added"
	comm -12 <(echo "$added") <(echo "$kept") | xargs -r apt-mark manual >/dev/null
	# Remove the compiler even if an installed package recommends or suggests one.
	unneeded=$(apt-get --simulate -o APT::AutoRemove::RecommendsImportant=false \
		-o APT::AutoRemove::SuggestsImportant=false autoremove | awk '$1 == "Remv" {print $2}' | sort)
	comm -12 <(echo "$added") <(echo "$unneeded") | DEBIAN_FRONTEND=noninteractive xargs -r apt-get -y -q purge >/dev/null
}

# The virtualenv's name: a digest of everything that decides what is installed.
id=$(
	{
		project sources "$PROJECT" "$file" | xargs -d '\n' sha256sum | sed "s|$PROJECT/||"
		echo "$APT_PACKAGES $BUILD_PACKAGES $SITE_PYTHON $ASGI_SERVER $HTTP_SERVER $CHANNEL_LAYER"
		python3 --version
		cat "$PROVISION/servers.txt"
	} | sha256sum | cut -c 1-12
)
environment=$environments/$id

if [[ ! -e $environment/complete ]]; then
	log "  virtual environment $id"
	rm -rf "$environment"
	uv=$(find_uv)
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	said=$work/said
	python=/usr/bin/python3
	if [[ $SITE_PYTHON != system ]]; then
		# From the system's archive if that has this version; otherwise uv downloads a build.
		if [[ -n $(apt-cache search --names-only "^python$SITE_PYTHON-venv\$") ]]; then apt_install "python$SITE_PYTHON-venv"; fi
		export UV_PYTHON_DOWNLOADS=automatic UV_PYTHON_INSTALL_DIR=/srv/site/pythons
		python=$SITE_PYTHON
	fi
	"$uv" venv --quiet --python "$python" "$environment" ||
		die "SITE_PYTHON=$SITE_PYTHON is not available: leave it out to use the system's, $(python3 --version)"

	requirements=$(as_requirements "$work/requirements.txt")
	options=(-r "$requirements")
	# If one requirement has a hash, require hashes for all.
	if grep -q -- '--hash=' "$requirements"; then options+=(--require-hashes); fi
	if ! install_packages "${options[@]}"; then
		grep -q 'Failed to build' "$said" ||
			die "cannot install $REQUIREMENTS for $("$environment/bin/python" --version): the lines above say why"
		install_built
	fi
	# The chosen servers and channel layer, unless the project's requirements bring them.
	wanted=$(laurel_tool server-packages)
	mapfile -t wanted <<<"$wanted"
	[[ $CHANNEL_LAYER != pubsub && $CHANNEL_LAYER != core ]] || wanted+=(channels-redis)
	missing=()
	for package in "${wanted[@]}"; do
		"$uv" pip show --quiet --python "$environment" "${package%%[<>=]*}" 2>/dev/null || missing+=("$package")
	done
	if ((${#missing[@]} > 0)); then
		log "  ${missing[*]}: not in $REQUIREMENTS, installed for the chosen servers and channel layer"
		add_packages "${missing[@]}" ||
			die "${missing[*]}: conflicts with the installed packages; add a version that fits to $REQUIREMENTS"
	fi

	log "  virtual environment $id: byte code"
	# Compile now, because no process may write here later. The tests of packages, a third of the
	# files, are left out.
	"$environment/bin/python" -m compileall -q -j 0 -x '/site-packages/.*/tests?/' "$environment/lib"
	touch "$environment/complete"
fi

# dj-database-url, with which laurel_production.py reads DATABASE_URL if the project does not have it.
library=/usr/lib/laurel/production/lib
if ! cmp -s "$PROVISION/production/requirements.txt" "$library/requirements.txt"; then
	rm -rf "$library"
	"$(find_uv)" pip install --quiet --python /usr/bin/python3 --no-deps --require-hashes \
		--target "$library" -r "$PROVISION/production/requirements.txt"
	python3 -m compileall -q "$library"
	cp "$PROVISION/production/requirements.txt" "$library/"
fi

if [[ $(readlink "$environments/current") != "$id" ]]; then
	ln -sfn "$id" "$environments/current.laurel-new"
	mv -T "$environments/current.laurel-new" "$environments/current"
fi
