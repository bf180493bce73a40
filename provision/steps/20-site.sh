#!/usr/bin/env bash
# The guide supposes a project on the machine: this makes its user, its release
# (code, static files, virtual environment) and its settings.
source "$(dirname "$0")/../lib.sh"

[[ -n $ASGI_APPLICATION ]] || die "ASGI_APPLICATION is not set: add ASGI_APPLICATION=module:attribute to laurel.env"
[[ -n $SETTINGS_MODULE ]] || die "SETTINGS_MODULE is not set: add SETTINGS_MODULE=package.settings to laurel.env"
[[ -f $PROJECT/$REQUIREMENTS ]] || die "REQUIREMENTS names no file: $PROJECT/$REQUIREMENTS"

getent group site >/dev/null || groupadd --system site
getent passwd site >/dev/null ||
	useradd --system --gid site --home-dir /var/lib/site --no-create-home --shell /usr/sbin/nologin site

install -d -m 0755 /srv/site /srv/site/releases /srv/site/environments /etc/laurel
install -d -m 0750 -o site -g site /var/lib/site
# Others may pass and not list: nginx's workers open their logs here as www-data.
install -d -m 0751 -o root -g adm /var/log/site

# The settings as baked, for the machine's boots.
build_env=$(mktemp)
for name in $(setting_names); do printf '%s=%s\n' "$name" "${!name}"; done >"$build_env"
place "$build_env" /etc/laurel/build.env
rm "$build_env"

install_file usr/lib/laurel/exec-site 0755
laurel_tool configure

# find_uv: prints the path of uv, which installs the project. The bake brings it
# along; otherwise it goes into an environment of its own. The system's Python
# gets no package.
cache=/var/cache/laurel
find_uv() {
	local brought
	brought=$(dirname "$PROVISION")/bin/uv
	if [[ -x $brought ]]; then
		echo "$brought"
		return
	fi
	if ! cmp -s "$PROVISION/uv.txt" "$cache/uv/uv.txt"; then
		rm -rf "$cache/uv"
		apt_install python3-venv
		python3 -m venv "$cache/uv"
		"$cache/uv/bin/pip" --quiet --disable-pip-version-check install --require-hashes -r "$PROVISION/uv.txt"
		cp "$PROVISION/uv.txt" "$cache/uv/uv.txt"
	fi
	echo "$cache/uv/bin/uv"
}

# A release is named after its content: the same project is the same release.
# What tools leave beside the code is no part of it.
list_files() {
	find . \( -name .git -o -name .venv -o -name node_modules -o -name __pycache__ -o -name '.*_cache' \) -prune \
		-o -type f ! -name '*.sqlite3' ! -name .env -print0
}
# digest: a name for what it reads, and for the Python that it is made with.
digest() {
	{
		cat
		python3 --version
	} | sha256sum | cut -c 1-12
}
id=$(
	cd "$PROJECT"
	{
		list_files | sort -z | xargs -0 sha256sum
		echo "DEVELOPMENT=$DEVELOPMENT"
	} | digest
)
release=/srv/site/releases/$id

# Releases with the same requirements share one virtual environment: a changed line of code costs
# no second one. Files of the same kind count, too, for requirements may include others.
environment=$(
	cd "$PROJECT"
	find . -type f \( -path "./$REQUIREMENTS" -o -name "*.${REQUIREMENTS##*.}" \) -print0 |
		sort -z | xargs -0 sha256sum | digest
)
environment=/srv/site/environments/$environment

if [[ ! -e $environment/complete ]]; then
	log "  virtual environment $(basename "$environment")"
	rm -rf "$environment"
	uv=$(find_uv)
	export UV_CACHE_DIR=$cache/packages UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
	"$uv" venv --quiet --python /usr/bin/python3 "$environment"
	"$uv" pip install --quiet --require-hashes --python "$environment" -r "$PROJECT/$REQUIREMENTS"
	log "  virtual environment $(basename "$environment"): byte code"
	# All of it now, for no process may write here later; but for the tests of the packages, a third.
	"$environment/bin/python" -m compileall -q -j 0 -x '/site-packages/.*/tests?/' "$environment/lib"
	touch "$environment/complete"
fi

if [[ ! -e $release/complete ]]; then
	log "  release $id: code"
	rm -rf "$release"
	install -d -m 0755 "$release" "$release/public"
	install -d -m 0750 -g site "$release/app"
	(cd "$PROJECT" && list_files | tar --null -T - --owner=root --group=site --mode='u=rwX,g=rX,o=' -cf -) |
		tar -xf - -C "$release/app"
	find "$release/app" -type d -exec chgrp site {} + -exec chmod 0750 {} +
	ln -s "../../environments/$(basename "$environment")" "$release/venv"
	"$release/venv/bin/python" -m compileall -q "$release/app"

	log "  release $id: static files"
	install -d -o site -g site "$release/public/static"
	runuser -u site -- /usr/lib/laurel/exec-site env -C "$release/app" STATIC_ROOT="$release/public/static" \
		"$release/venv/bin/python" manage.py collectstatic --noinput --verbosity 0
	chown -R root:root "$release/public"
	touch "$release/complete"
fi

if [[ $(readlink /srv/site/current) != "releases/$id" ]]; then
	ln -sfn "releases/$id" /srv/site/current.laurel-new
	mv -T /srv/site/current.laurel-new /srv/site/current
	log "  release $id is current"
fi

# The live one and the two before it are kept, and what they run on.
find /srv/site/releases -mindepth 1 -maxdepth 1 -type d ! -name "$id" -printf '%T@ %p\n' | sort -rn |
	tail -n +3 | cut -d' ' -f2- | xargs -r rm -rf
for environment in /srv/site/environments/*; do
	if [[ -z $(find /srv/site/releases -maxdepth 2 -lname "*/$(basename "$environment")") ]]; then
		rm -rf "$environment"
	fi
done
