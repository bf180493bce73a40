#!/usr/bin/env bash
# The guide assumes a virtualenv. This step makes it from the project's requirements (REQUIREMENTS)
# and names it after their content. 20-site then links the release to it.
source "$(dirname "$0")/../lib.sh"

readonly environments=/srv/site/environments cache=/var/cache/laurel
readonly installer=65532 # no account has this number
payload=$(dirname "$PROVISION")
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
	brought=$payload/bin/uv
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

# as_installer COMMAND...: runs a command that may run code of packages, as a user without rights. Only
# this user may run the virtualenv before it is complete, and only root writes to $work.
as_installer() {
	# In the project's folder, where requirements such as `.` begin.
	env -C "$work/home/project" HOME="$work/home" TMPDIR="$work/home" \
		setpriv --reuid="$installer" --regid="$installer" --clear-groups --no-new-privs "$@"
}

# as_requirements TARGET: prints the path of a requirements file; a lock file is converted into TARGET.
as_requirements() {
	case $(basename "$file") in
	uv.lock)
		as_installer "$uv" export --quiet --project "$(dirname "$file")" --python "$environment/bin/python" \
			--frozen --no-dev --no-emit-project --no-header >"$1"
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

# lock: resolves requirements without hashes once, into $work/lock.txt. A bake brings the result of an
# earlier one, so that two bakes of the same requirements install the same versions.
lock() {
	if [[ -f $payload/requirements.lock ]]; then
		cp "$payload/requirements.lock" "$work/lock.txt"
		return
	fi
	as_installer "$uv" pip compile --quiet --no-header --no-annotate --generate-hashes \
		--python "$environment/bin/python" "$requirements" 2>&1 >"$work/lock.txt" | tee "$said" >&2
}

# install_packages OPTION...: installs into the virtualenv; uv's output is in the file $said.
install_packages() {
	as_installer "$uv" pip install --quiet --python "$environment" "$@" 2>&1 | tee "$said" >&2
}

# install_requirements: installs the lock, or the project's own one.
install_requirements() {
	local options=()
	if [[ $requirements != *.lock* ]] && ! grep -q -- '--hash=' "$requirements"; then
		lock || return
		requirements=$work/lock.txt
	fi
	# If all requirements have a hash, require hashes for all that they need, too.
	if ! grep -qE '^[^ #].*( @ |://)|^(-e|\.)' "$requirements"; then options=(--require-hashes); fi
	install_packages -r "$requirements" "${options[@]}"
}

# add_packages PACKAGE...: installs what the project lacks, as servers.txt locks it. No version of the
# project's own packages changes.
add_packages() {
	local installed
	installed=$(as_installer "$uv" pip freeze --python "$environment")
	project pins <<<"$installed" >"$work/pins.txt"
	install_packages --constraint "$work/pins.txt" "$@" && return
	grep -q 'No solution found' "$said" || return 1
	log "  the locked versions do not fit the project's packages: installing others, without hashes"
	grep -E '^[A-Za-z0-9._-]+==' <<<"$installed" >"$work/pins.txt"
	install_packages --constraint "$work/pins.txt" "$@"
}

# needed COLUMN: prints the system packages that the Python packages in stdin need, by
# system-packages.txt: column 2 to be built from source, 3 to run.
needed() {
	# A file may begin with a UTF-8 mark.
	sed 's/^\xef\xbb\xbf//' | grep -aoiE '^[a-z0-9][a-z0-9._-]*' | tr 'A-Z_.' 'a-z--' |
		awk -F ' *[:|] *' -v column="$1" 'NR == FNR { wanted[$0]; next } $1 in wanted { print $column }' \
			- "$PROVISION/system-packages.txt"
}

# required: prints all files of the requirements.
required() {
	{
		echo "$requirements"
		project sources "$work/home/project" "$file"
	} | xargs -d '\n' awk 1 # a file may end without a newline
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
	apt_install build-essential pkg-config python3-dev $(required | needed 2) $BUILD_PACKAGES
	install_requirements || die "cannot install $REQUIREMENTS, even with a compiler: see the lines" \
		"above. If a package needs headers, add BUILD_PACKAGES=\"libfoo-dev\" to laurel.env"
	added=$(comm -13 <(echo "$before") <(installed))
	# The packages that own a library to which a built module links.
	kept=$(find "$environment" -name '*.so*' -print0 | as_installer xargs -0 -r ldd 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $3}' |
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
		cat "$PROVISION/servers.txt" "$PROVISION/system-packages.txt"
	} | sha256sum | cut -c 1-12
)
environment=$environments/$id

if [[ ! -e $environment/complete ]]; then
	log "  virtual environment $id"
	rm -rf "$environment"
	uv=$(find_uv)
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	chmod 0711 "$work"
	said=$work/said
	: >"$said"
	# A requirement may be the project itself, or a folder of it: build from a copy, which may be written to.
	install -d "$work/home" "$environment" "$UV_CACHE_DIR"
	cp -a "$PROJECT" "$work/home/project"
	file=$work/home/project/$REQUIREMENTS
	# On the machine there is no folder for an editable installation to point to.
	find "$work/home/project" -name '*.txt' -type f -exec sed -Ei 's/^(-e|--editable)[ =]?[[:blank:]]*([^[:blank:]])/\2/' {} +
	chown -hR "$installer:$installer" "$work/home" "$environment" "$UV_CACHE_DIR"
	python=/usr/bin/python3
	if [[ $SITE_PYTHON != system ]]; then
		# From the system's archive if that has this version; otherwise uv downloads a build.
		if [[ -n $(apt-cache search --names-only "^python$SITE_PYTHON-venv\$") ]]; then apt_install "python$SITE_PYTHON-venv"; fi
		export UV_PYTHON_DOWNLOADS=automatic UV_PYTHON_INSTALL_DIR=/srv/site/pythons
		install -d -o "$installer" -g "$installer" "$UV_PYTHON_INSTALL_DIR"
		python=$SITE_PYTHON
	fi
	as_installer "$uv" venv --quiet --allow-existing --python "$python" "$environment" ||
		die "SITE_PYTHON=$SITE_PYTHON is not available: leave it out to use the system's, $(python3 --version)"

	requirements=$(as_requirements "$work/requirements.txt")
	if required | grep -qE 'git\+[a-z]+://'; then apt_install git; fi
	if ! install_requirements; then
		grep -qE 'Failed to build|[Bb]uild backend' "$said" ||
			die "cannot install $REQUIREMENTS for $(as_installer "$environment/bin/python" --version): the lines above say why"
		install_built
	fi
	packages=$(as_installer "$uv" pip freeze --python "$environment")
	# psycopg brings its library if its extra is installed.
	if grep -qE '^psycopg-(binary|c)\b' <<<"$packages"; then packages=$(grep -v '^psycopg=' <<<"$packages"); fi
	# shellcheck disable=SC2046 # package names, separated by blanks
	apt_install $(needed 3 <<<"$packages")
	# The chosen servers and channel layer, unless the project's requirements bring them.
	wanted=$(laurel_tool server-packages)
	mapfile -t wanted <<<"$wanted"
	[[ $CHANNEL_LAYER != pubsub && $CHANNEL_LAYER != core ]] || wanted+=(channels-redis)
	missing=()
	for package in "${wanted[@]}"; do
		as_installer "$uv" pip show --quiet --python "$environment" "${package%%[<>=]*}" 2>/dev/null || missing+=("$package")
	done
	if ((${#missing[@]} > 0)); then
		log "  ${missing[*]}: not in $REQUIREMENTS, installed for the chosen servers and channel layer"
		add_packages "${missing[@]}" ||
			die "${missing[*]}: conflicts with the installed packages; add a version that fits to $REQUIREMENTS"
	fi

	log "  virtual environment $id: byte code"
	# Compile now, because no process may write here later. The tests of packages, a third of the
	# files, are left out.
	as_installer "$environment/bin/python" -m compileall -q -j 0 -x '/site-packages/.*/tests?/' "$environment/lib"
	# What a package left running must not write to root's files.
	pkill -KILL -U "$installer" || true # there is none
	[[ ! -d /srv/site/pythons ]] || chown -hR root:root /srv/site/pythons
	chown -hR root:root "$environment"
	[[ ! -f $work/lock.txt ]] || install -D -m 0644 "$work/lock.txt" "$cache/requirements.lock"
	touch "$environment/complete"
fi

# dj-database-url, with which laurel_production.py reads DATABASE_URL if the project does not have it.
library=/usr/lib/laurel/production/lib
if ! cmp -s "$PROVISION/production/requirements.txt" "$library/requirements.txt"; then
	rm -rf "$library"
	# Without the cache, to which the code of packages could have written.
	"$(find_uv)" pip install --quiet --no-cache --python /usr/bin/python3 --no-deps --require-hashes \
		--target "$library" -r "$PROVISION/production/requirements.txt"
	python3 -m compileall -q "$library"
	cp "$PROVISION/production/requirements.txt" "$library/"
fi

if [[ $(readlink "$environments/current") != "$id" ]]; then
	ln -sfn "$id" "$environments/current.laurel-new"
	mv -T "$environments/current.laurel-new" "$environments/current"
fi
