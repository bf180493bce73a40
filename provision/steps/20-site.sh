#!/usr/bin/env bash
# The guide supposes a project on the machine: this makes its user, its release
# (code, static files, a link to the virtual environment) and its settings.
source "$(dirname "$0")/../lib.sh"

getent group site >/dev/null || groupadd --system site
getent passwd site >/dev/null ||
	useradd --system --gid site --home-dir /var/lib/site --no-create-home --shell /usr/sbin/nologin site

install -d -m 0755 /srv/site /srv/site/releases /etc/laurel
install_file usr/lib/tmpfiles.d/site.conf
systemd-tmpfiles --create site.conf
# Others may pass and not list: nginx's workers open their logs here as www-data.
install -d -m 0751 -o root -g adm /var/log/site

# The settings as baked, for the machine's boots.
build_env=$(mktemp)
for name in $SETTING_NAMES; do
	value=${!name}
	# A reader takes one pair of quotes off.
	if [[ $value == [\'\"]* ]]; then value="'$value'"; fi
	printf '%s=%s\n' "$name" "$value"
done >"$build_env"
place "$build_env" /etc/laurel/build.env
rm "$build_env"

# The project's own variables, unless site.env says otherwise.
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
# The steps of supervisor and nginx render their own files, and see whether they have changed.
laurel_tool configure --environment

# pack: the project's files as a tar archive, which is the same for the same content. In exclude.txt,
# `*` does not match a slash.
pack() {
	tar -C "$PROJECT" --sort=name --mtime='2000-01-01 UTC' --owner=site --group=site --mode='u=rwX,g=rX,o=' \
		--no-wildcards-match-slash --exclude-from="$PROVISION/exclude.txt" -cf - .
}
# Releases with the same requirements share one virtual environment: a changed line of code costs
# no second one.
environment=$(readlink /srv/site/environments/current)
id=$(
	{
		pack | sha256sum
		echo "$DEVELOPMENT $DJANGO_ROOT $STATIC_URL $environment"
	} | sha256sum | cut -c 1-12
)
release=/srv/site/releases/$id

if [[ ! -e $release/complete ]]; then
	log "  release $id: code"
	rm -rf "$release"
	install -d -m 0755 "$release" "$release/public"
	# Settings may make folders when they are imported, such as one for logs: until the end of this,
	# the code is the site's own.
	install -d -m 0750 -o site -g site "$release/app"
	pack | tar -xf - -C "$release/app"
	ln -s "../../environments/$environment" "$release/venv"
	# The folder of manage.py, where every command of the site runs.
	ln -s "app/$DJANGO_ROOT" "$release/django"
	# What was written for another Python may lie beside the project's own code.
	"$release/venv/bin/python" -m compileall -q "$release/app" || log "  some files are not Python: the lines above"

	log "  release $id: static files"
	static=$release/public$STATIC_URL
	install -d -o site -g site "$static"
	if ! said=$(runuser -u site -- /usr/lib/laurel/exec-site env -C "$release/django" STATIC_ROOT="$static" \
		"$release/venv/bin/python" manage.py collectstatic --noinput --verbosity 0 2>&1); then
		grep -q "Unknown command: 'collectstatic'" <<<"$said" || die "the project's settings or its static files" \
			"fail:"$'\n'"${said//$release\/app\//}"$'\n'"A value that they need from outside: \`export NAME=value\` in laurel.env"
		log "  the project has none"
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

# The live one and the two before it are kept, and what they run on.
find /srv/site/releases -mindepth 1 -maxdepth 1 -type d ! -name "$id" -printf '%T@ %p\n' | sort -rn |
	tail -n +3 | cut -d' ' -f2- | xargs -r rm -rf
for environment in /srv/site/environments/*/; do
	environment=${environment%/}
	[[ ! -L $environment ]] || continue
	if [[ -z $(find /srv/site/releases -maxdepth 2 -lname "*/$(basename "$environment")") ]]; then
		rm -rf "$environment"
	fi
done
