"""`python -m probe.stages STAGE`: one stage, as the site's processes would run it."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import runpy
import sys
import textwrap
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from probe import failure, watch
from probe.paths import ANSWER, APP, STATIC, place_of

REQUIREMENTS = os.environ.get("LAUREL_REQUIREMENTS", "the requirements")
# Hosts that a developer meant to replace, and those that RFC 2606 reserves for examples.
PLACEHOLDER = re.compile(
    r"(^|\.)example(\.(com|org|net))?$|\.(example|invalid)$|^(your|change|replace)[-_.]"
    r"|^my[-_][^.]*$|changeme|placeholder|^todo\b|^x{3,}|[<>{}\s]",
    re.IGNORECASE,
)
MACHINES_REDIS = "redis://127.0.0.1:6379"  # if the operator names no other
# Where a database's server would be on the machine itself, or a neighbour as in Docker Compose.
LOCAL = re.compile(r"|127\..*|/.*|::1|[^.:]*")
# Settings that Laurel changes, and the usual name of the project's own folder.
MOVED = ("STATIC_ROOT", "MEDIA_ROOT", "BASE_DIR")
# Programs that work off queues.
# An app, the word of its worker in a command, and the command.
WORKERS = {
    "celery": ("celery", "celery -A {package} worker"),
    "django_q": ("qcluster", "python manage.py qcluster"),
    "huey.contrib.djhuey": ("run_huey", "python manage.py run_huey"),
    "django_dramatiq": ("rundramatiq", "python manage.py rundramatiq"),
    "django_rq": ("rqworker", "python manage.py rqworker"),
    "procrastinate.contrib.django": ("worker", "python manage.py procrastinate worker"),
    "background_task": ("process_tasks", "python manage.py process_tasks"),
}
# Django's deployment checks of what Laurel or a load balancer decides.
DECIDED = {f"security.W{number:03}" for number in (2, 4, 5, 8, 9, 12, 16, 18, 20, 21)}

answer: dict[str, Any] = {"errors": [], "warnings": [], "unchecked": []}


def error(text: str, place: str = "") -> None:
    """Report what would not work."""
    answer["errors"].append({"place": place, "text": text})


def warn(text: str, place: str = "") -> None:
    """Report what may not work."""
    answer["warnings"].append({"place": place, "text": text})


def settings() -> None:
    """Load the settings, and report what the machine changes and what cannot work there."""
    made: Any = importlib.import_module("laurel_production")
    own: dict[str, Any] = made.project
    if not own and "configurations" in sys.modules:
        module = sys.modules[os.environ["LAUREL_SETTINGS_MODULE"]]
        error(
            "the settings are in a class of django-configurations, and Laurel overrides those of"
            " a module: name a module with plain settings, SETTINGS_MODULE=package.module, in"
            " laurel.env",
            place_of(module.__file__ or "", 1),
        )
        return
    values = {**own, **made.changed}
    if not os.environ.get("DATABASE_URL"):
        for alias, database in (own.get("DATABASES") or {}).items():
            _check_database(f"DATABASES[{alias!r}]", database)
    for alias, layer in (own.get("CHANNEL_LAYERS") or {}).items():
        _check_layer(f"CHANNEL_LAYERS[{alias!r}]", layer)
    for name, value in own.items():
        if name not in MOVED and isinstance(value, (str, os.PathLike)):
            _check_folder(name, os.path.normpath(os.fspath(value) or "."))
    layers = values.get("CHANNEL_LAYERS") or {}
    application = values.get("ASGI_APPLICATION")
    answer.update(
        applications=[_colon(application)] if isinstance(application, str) else [],
        WSGI_APPLICATION=_colon(values.get("WSGI_APPLICATION") or ""),
        STATIC_URL=str(values.get("STATIC_URL") or ""),
        MEDIA_URL=str(values.get("MEDIA_URL") or ""),
        vendors=sorted({_vendor(one) for one in (values.get("DATABASES") or {}).values()}),
        layers={f"CHANNEL_LAYERS[{k!r}]": str(v.get("BACKEND")) for k, v in layers.items()},
        overrides=[
            [name, made.shown(name, made.changed[name]), reason]
            for name, reason in made.LAUREL_OVERRIDES
        ],
        places={name: place for name, place in watch.assigned.items() if name in values},
    )


def _vendor(database: dict[str, Any]) -> str:
    engine = str(database.get("ENGINE"))
    return "sqlite" if engine.endswith(("sqlite3", "spatialite")) else engine


def _colon(name: str) -> str:
    return ":".join(name.rsplit(".", 1)) if name and ":" not in name else name


def _check_database(name: str, database: dict[str, Any]) -> None:
    """Report a placeholder instead of a host, and a server that the machine does not have."""
    host, engine = str(database.get("HOST") or ""), str(database.get("ENGINE") or "")
    place = watch.assigned.get("DATABASES", "")
    if PLACEHOLDER.search(host):
        error(
            f"{name}: the host {host} is a placeholder: add the real one to laurel.env,"
            " `export DATABASE_URL=postgres://user:password@host/name`",
            place,
        )
    elif not re.search("sqlite|spatialite", engine) and LOCAL.fullmatch(host):
        warn(
            f"{name}: {engine} at {host or 'this machine'}, and the machine has no such server:"
            " set DATABASE_URL in /etc/laurel/site.env at the first boot (user-data); until then"
            " the site does not come up",
            place,
        )


def _check_layer(name: str, layer: dict[str, Any]) -> None:
    """Report a placeholder instead of Redis' host."""
    hosts = str((layer.get("CONFIG") or {}).get("hosts", ""))
    for host in re.findall(r"[\w.-]+\.[a-z]{3,}\b", hosts):
        if PLACEHOLDER.search(host) and os.environ.get("REDIS_URL") == MACHINES_REDIS:
            error(
                f"{name}: the Redis host {host} is a placeholder: name a real host, or localhost"
                " for the machine's own Redis",
                watch.assigned.get("CHANNEL_LAYERS", ""),
            )


def _check_folder(name: str, path: str) -> None:
    """Report a folder below the code that is not there: the project probably makes it."""
    if path.startswith(f"{APP}/") and not Path(path).exists():
        warn(
            f"{name} = {path[len(f'{APP}/') :]} is not in the release, and the code is read-only"
            " on the machine: if the project writes there, use a folder below"
            ' os.environ.get("STATE_DIR", BASE_DIR), which is /var/lib/site',
            watch.assigned.get(name, ""),
        )


def static() -> None:
    """Collect the static files by manage.py, as the release's step does, and name one of them."""
    import django
    from django.apps import apps

    _set_up(django)
    has_files = apps.is_installed("django.contrib.staticfiles")
    command = ["collectstatic", "--noinput", "--verbosity", "0"] if has_files else ["version"]
    sys.argv = ["manage.py", *command]
    said = io.StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(said):
            runpy.run_path("manage.py", run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            error(f"manage.py {command[0]}: {said.getvalue().strip()[-failure.SHOWN :]}")
    _refuse_overruling()
    files = sorted(path for path in STATIC.rglob("*") if path.suffix in (".css", ".js"))
    own = [
        path
        for path in files
        if path.relative_to(STATIC).parts[0] not in ("admin", "rest_framework")
    ]
    for path in (own or files)[:1]:
        answer["static_file"] = path.relative_to(STATIC).as_posix()


def _refuse_overruling() -> None:
    """Report lines that set DJANGO_SETTINGS_MODULE whatever the environment says."""
    for line, value in watch.overruled:
        error(
            "assigns DJANGO_SETTINGS_MODULE and ignores the environment: write"
            f' os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{value}")',
            line,
        )


def _set_up(django: Any) -> None:
    """django.setup(); if an app is missing, all missing ones are reported."""
    from importlib.util import find_spec

    from django.conf import settings as values

    for name in values.INSTALLED_APPS:
        package = name.partition(".")[0]
        if find_spec(package) is None:
            error(
                f"INSTALLED_APPS has {name}, and no package brings `{package}`: add it to"
                f" {REQUIREMENTS}",
                watch.assigned.get("INSTALLED_APPS", ""),
            )
    if answer["errors"]:
        finish()
    django.setup()


def application(name: str) -> None:
    """Import the application as a server does, in a process that has not set Django up."""
    loaded = _load(name)
    from django.apps import apps

    place = place_of(sys.modules[name.partition(":")[0]].__file__ or "", 0)
    _refuse_overruling()
    if not apps.ready and not watch.overruled:
        error(
            "never calls get_asgi_application(): nothing sets Django up. Add `from"
            " django.core.asgi import get_asgi_application` and `django_asgi_app ="
            " get_asgi_application()` before the other imports",
            place,
        )
    routes = getattr(loaded, "application_mapping", None)
    if isinstance(routes, dict) and "http" not in routes:
        error(
            'ProtocolTypeRouter has no "http", and Channels 4 serves no page without it: add'
            ' "http": get_asgi_application()',
            place,
        )


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    loaded: Any = importlib.import_module(module)
    for part in (attribute or "application").split("."):
        loaded = getattr(loaded, part)
    return loaded


def questions(name: str) -> None:
    """Ask Django and Channels what they know of the project."""
    import django
    from django.conf import settings as values

    _set_up(django)
    from django.db import connections

    from probe import routes

    answer["pages"] = routes.pages()
    answer["websockets"] = routes.websockets(_load(name))
    # A connection loads its driver.
    answer["vendors"] = sorted({connections[alias].vendor for alias in connections})
    _storage()
    _migrations()
    _checks()
    _workers(values)
    from importlib.metadata import distributions

    answer["versions"] = {
        str(one.metadata["Name"]).lower().replace("_", "-"): one.version for one in distributions()
    }


def _storage() -> None:
    """Make the storage of uploads, which may lack its package; report one below the code."""
    from django.core.files.storage import default_storage

    location = str(getattr(default_storage, "location", ""))
    if location.startswith(f"{APP}/"):
        warn(
            f"uploads go to {location[len(f'{APP}/') :]}, and the code is read-only on the machine:"
            " use MEDIA_ROOT, which Laurel moves to /var/lib/site/media",
            watch.assigned.get("STORAGES", ""),
        )


def _migrations() -> None:
    """Models of the project's apps without a table, or changed since the last migration."""
    from django.apps import apps
    from django.db.migrations.autodetector import MigrationAutodetector
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.state import ProjectState

    loader = MigrationLoader(None, ignore_no_migrations=True)
    own = {config.label: config for config in apps.get_app_configs() if place_of(config.path, 0)}
    for label in sorted(loader.unmigrated_apps & set(own)):
        config = own[label]
        if any(model._meta.managed and not model._meta.proxy for model in config.get_models()):
            place = place_of(config.path, 0)
            error(
                f"has models and no migrations: run `python manage.py makemigrations {label}` and"
                f" commit {place}/migrations/",
                place,
            )
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(
        graph=loader.graph
    )
    for label in sorted(set(changes) & set(own) - loader.unmigrated_apps):
        warn(
            "models have changed since the last migration: run"
            f" `python manage.py makemigrations {label}`",
            place_of(own[label].path, 0),
        )


def _checks() -> None:
    """Django's own checks of a deployment."""
    from django.core import checks

    for one in checks.run_checks(include_deployment_checks=True):
        if one.id in DECIDED or one.is_silenced():
            continue
        first = textwrap.shorten(str(one.msg).partition(". ")[0], 160, placeholder=" ...")
        (error if one.level >= checks.ERROR else warn)(f"check --deploy: {first} ({one.id})")


def _workers(values: Any) -> None:
    """Report programs that work off a queue, if no Procfile starts one."""
    procfile = Path(os.environ.get("LAUREL_PROCFILE", ""))
    text = procfile.read_text(encoding="utf-8-sig") if procfile.is_file() else ""
    package = os.environ["LAUREL_SETTINGS_MODULE"].partition(".")[0]
    for app, (word, command) in WORKERS.items():
        used = app in values.INSTALLED_APPS or (app == "celery" and _has_celery())
        if used and not re.search(rf"\b{word}\b", text):
            warn(
                f"{app} is set up, and no Procfile starts its worker: its tasks would never run."
                f" Add a line such as `worker: {command.format(package=package)}` to a file"
                " Procfile"
            )


def _has_celery() -> bool:
    """Whether a module of the project holds a Celery application."""
    celery: Any = sys.modules.get("celery")
    own = [
        one for one in list(sys.modules.values()) if place_of(getattr(one, "__file__", "") or "", 0)
    ]
    return celery is not None and any(
        isinstance(value, celery.Celery) for one in own for value in vars(one).values()
    )


def finish() -> None:
    """Write the answer and end, although threads of the project may still run."""
    ANSWER.write_text(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


def main(stage: str, *arguments: str) -> None:
    """Run one stage; an exception of the project is its answer."""
    sys.path.insert(0, str(Path.cwd()))
    watch.start()
    stages = {
        "settings": settings,
        "static": static,
        "application": application,
        "questions": questions,
    }
    try:
        stages[stage](*arguments)
    except BaseException as raised:
        of_database = re.search("database|psycopg|MySQLdb", str(raised))
        otherwise = watch.assigned.get("DATABASES" if of_database else "INSTALLED_APPS", "")
        problem = failure.report(raised, REQUIREMENTS, otherwise)
        answer["variable"] = problem.pop("variable", "")
        answer["errors"].append(problem)
    finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
