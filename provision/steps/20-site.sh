#!/usr/bin/env bash
# The guide assumes a project on the machine. This step makes its user, its release
# (code, static files, a link to the virtualenv) and its settings.
source "$(dirname "$0")/../lib.sh"

getent group site >/dev/null || groupadd --system site
getent passwd site >/dev/null ||
	useradd --system --gid site --home-dir /var/lib/site --no-create-home --shell /usr/sbin/nologin site

install -d -m 0755 /srv/site /srv/site/releases /etc/laurel
install_file usr/lib/tmpfiles.d/site.conf
systemd-tmpfiles --create site.conf
# Mode 0751: nginx's workers open their logs here as www-data, but must not list the folder.
install -d -m 0751 -o root -g adm /var/log/site

# The baked settings; every boot reads them.
build_env=$(mktemp)
for name in $SETTING_NAMES; do
	value=${!name}
	# Whatever reads the file removes one pair of quotes: protect a value that begins with one.
	if [[ $value == [\'\"]* ]]; then value="'$value'"; fi
	printf '%s=%s\n' "$name" "$value"
done >"$build_env"
place "$build_env" /etc/laurel/build.env
rm "$build_env"

# The project's own variables on every machine; site.env overrides them.
project_env=$(mktemp)
project exports "$PROJECT" >"$project_env"
place "$project_env" /etc/laurel/project.env
rm "$project_env"

install_file usr/lib/laurel/exec-site 0755
install_file usr/lib/laurel/exec-process 0755
CHANGED=()
for module in "$PROVISION"/production/*.py; do
	place "$module" "/usr/lib/laurel/production/$(basename "$module")"
done
if changed; then python3 -m compileall -q "${CHANGED[@]}"; fi
# Only the environment: 50-supervisor and 60-nginx render the configuration themselves, because they
# must know which files have changed.
laurel_tool configure --environment

# A release is named after the content of the project's archive, so an unchanged project is the same
# release. Releases with the same requirements share one virtualenv, so a changed line of code needs no
# second one.
environment=$(readlink /srv/site/environments/current)
id=$(
	{
		pack site | sha256sum
		echo "$DEVELOPMENT $DJANGO_ROOT $STATIC_URL $environment"
	} | sha256sum | cut -c 1-12
)
release=/srv/site/releases/$id

if [[ ! -e $release/complete ]]; then
	log "  release $id: code"
	rm -rf "$release"
	install -d -m 0755 "$release" "$release/public"
	# Settings may make folders on import, such as one for logs. So the code belongs to the site's user
	# until the static files are collected.
	install -d -m 0750 -o site -g site "$release/app"
	pack site | tar -xf - -C "$release/app"
	ln -s "../../environments/$environment" "$release/venv"
	# The folder of manage.py: the working directory of all the site's commands.
	ln -s "app/$DJANGO_ROOT" "$release/django"
	# A file that is for another version of Python must not stop the bake.
	# Not as root, because Python runs code of the virtualenv's packages when it starts.
	runuser -u site -- "$release/venv/bin/python" -m compileall -q "$release/app" || log "  some files do not compile, see the lines above"

	log "  release $id: static files"
	static=$release/public$STATIC_URL
	install -d -o site -g site "$static"
	if ! said=$(runuser -u site -- /usr/lib/laurel/exec-site env -C "$release/django" STATIC_ROOT="$static" \
		"$release/venv/bin/python" manage.py collectstatic --noinput --verbosity 0 2>&1); then
		grep -q "Unknown command: 'collectstatic'" <<<"$said" || die "collectstatic failed in the" \
			"project:"$'\n'"${said//$release\/app\//}"$'\n'"If its settings need a variable, add \`export NAME=value\` to laurel.env"
		log "  the project has no static files"
	fi
	chown -R root:site "$release/app"
	chmod -R u=rwX,g=rX,o= "$release/app"
	chown -R root:root "$release/public"
	chmod -R u=rwX,go=rX "$release/public"
	touch "$release/complete"
fi

if [[ $(readlink /srv/site/current) != "releases/$id" ]]; then
	ln -sfn "releases/$id" /srv/site/current.laurel-new
	mv -T /srv/site/current.laurel-new /srv/site/current
	log "  release $id is current"
fi

# Keep the current release, the two before it, and their virtualenvs.
find /srv/site/releases -mindepth 1 -maxdepth 1 -type d ! -name "$id" -printf '%T@ %p\n' | sort -rn |
	tail -n +3 | cut -d' ' -f2- | xargs -r rm -rf
for environment in /srv/site/environments/*/; do
	environment=${environment%/}
	[[ ! -L $environment ]] || continue
	if [[ -z $(find /srv/site/releases -maxdepth 2 -lname "*/$(basename "$environment")") ]]; then
		rm -rf "$environment"
	fi
done
