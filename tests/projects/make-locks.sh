#!/usr/bin/env bash
# Copies a project and makes the lock file that its author would have committed. No lock is kept here:
# most locks name the registry that they came from, and all of them become outdated.
#
#   make-locks.sh SOURCE TARGET
#
# TARGET must not exist. It is made only if the lock could be made. A project without a lock file is
# copied as it is.
set -euo pipefail

# Pinned, so that the format of the locks does not change.
PIPENV=2026.10.3
POETRY=2.5.1
POETRY_MIRROR=0.6.5

here=$(dirname "$(readlink -f "$0")")
uv=$here/../../build/venv/bin/uv
python=$here/../../build/venv/bin/python

die() {
	echo "make-locks.sh: $*" >&2
	exit 1
}

lock_with_uv() {
	"$uv" lock --quiet
}

lock_with_pipenv() {
	# It makes a virtual environment, by default in the user's home.
	WORKON_HOME=$work/environments PIPENV_IGNORE_VIRTUALENVS=1 PIPENV_NOSPIN=1 PIPENV_YES=1 \
		"$uv" tool run --quiet --from "pipenv==$PIPENV" pipenv lock --quiet
}

lock_with_poetry() {
	local index
	index=${PIP_INDEX_URL:-$("$python" -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')}
	# Without the plugin Poetry uses an API that pip and uv don't use and few mirrors have. With it,
	# Poetry uses pip's API and writes the same lock.
	POETRY_PYPI_MIRROR_URL=$index POETRY_VIRTUALENVS_PATH=$work/environments \
		"$uv" tool run --quiet --from "poetry==$POETRY" --with "poetry-plugin-pypi-mirror==$POETRY_MIRROR" \
		poetry lock --no-interaction --quiet
}

[[ $# -eq 2 ]] || die "usage: make-locks.sh SOURCE TARGET"
source=$1
target=$2
[[ -d $source ]] || die "$source is not a folder"
[[ ! -e $target ]] || die "$target exists: remove it, or name another folder"
[[ -x $uv ]] || die "$uv is missing: run \`make prerequisites\`"

# Beside the target, so that the last step is a rename.
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(dirname "$(readlink -f "$target")")/make-locks.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -a "$source" "$work/project"

if [[ -f $work/project/Pipfile ]]; then
	lock=Pipfile.lock make=lock_with_pipenv
elif grep -qs '^\[tool\.poetry\]' "$work/project/pyproject.toml"; then
	lock=poetry.lock make=lock_with_poetry
elif [[ -f $work/project/pyproject.toml ]]; then
	lock=uv.lock make=lock_with_uv
else
	lock='' make=:
fi
cd "$work/project"
if [[ -n $lock && ! -f $lock ]]; then
	"$make"
	[[ -s $lock ]] || die "$source: no $lock was made"
fi
cd - >/dev/null
mv -T "$work/project" "$target"
