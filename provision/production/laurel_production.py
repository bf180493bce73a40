"""The project's settings, and what this machine's environment changes in them.

DJANGO_SETTINGS_MODULE is laurel_production, and LAUREL_SETTINGS_MODULE names the project's module.
These variables change the project's settings; an empty one counts as unset:

    SECRET_KEY            SECRET_KEY
    DEBUG                 DEBUG: True for "true"; otherwise, and without the variable, False
    ALLOWED_HOSTS         precede the project's, separated by commas; "*" is removed
    LAUREL_OWN_ADDRESSES  "yes": ALLOWED_HOSTS also has the addresses that this machine has at the
                          time of a request
    CSRF_TRUSTED_ORIGINS  follow the project's, separated by commas
    STATIC_ROOT, MEDIA_ROOT   the settings of the same name
    TLS_IN_FRONT          "no": settings that need HTTPS are off; "yes" [default]: no change
    DATABASE_URL          DATABASES["default"]
    STATE_DIR             the folder of SQLite files, whose commits survive a power cut
    LAUREL_CHANNEL_LAYER  "pubsub", "core" or "memory": every layer is of this kind;
                          "project" [default]: no change
    REDIS_URL             the Redis of channel layers, caches and Celery that already use Redis;
                          each keeps the number of its database unless the URL has one;
                          Sentinels serve channel layers only
    LOG_LEVEL             [INFO] the level of the handler that is added if the project has none

On every machine, Django trusts nginx's X-Forwarded-Proto, and logs go to stdout, not to files.

`python -m laurel_production` prints each changed setting and the reason.
"""

# Django reads every upper-case name in this module as a setting, so constants are in lower case.

import importlib
import importlib.util
import ipaddress
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import django
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured

Values = dict[str, Any]
Environment = Mapping[str, str]

library = "/usr/lib/laurel/production/lib"
redis_caches = (
    "django.core.cache.backends.redis.RedisCache",
    "django_redis.cache.RedisCache",
    "redis_cache.RedisCache",
)
celery_urls = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL")
layers_by_kind = {
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "core": "channels_redis.core.RedisChannelLayer",
    "memory": "channels.layers.InMemoryChannelLayer",
}
sentinel_scheme = "redis+sentinel:"
# Over plain HTTP, the redirect leads nowhere, and browsers drop the cookies: no one could log in.
off_without_tls = {
    "SECURE_SSL_REDIRECT": False,
    "SECURE_HSTS_SECONDS": 0,
    "SESSION_COOKIE_SECURE": False,
    "CSRF_COOKIE_SECURE": False,
    "LANGUAGE_COOKIE_SECURE": False,
}
secret_name = re.compile("SECRET|PASS|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)
secret_part = re.compile(rf"(?:{secret_name.pattern})\w*=", re.IGNORECASE)
# Up to the last "@": an unquoted password may contain any character.
url_password = re.compile(r"(://[^:]*:).+@", re.DOTALL)
mask = "********"


def project_settings(environ: Environment) -> Values:
    """Return every setting of the project's module.

    Raises ImproperlyConfigured if LAUREL_SETTINGS_MODULE is unset or names no module. Errors
    inside the project's settings are raised unchanged.
    """
    name = environ.get("LAUREL_SETTINGS_MODULE")
    if not name:
        raise ImproperlyConfigured(
            "LAUREL_SETTINGS_MODULE is not set: set it to the project's settings module,"
            " e.g. LAUREL_SETTINGS_MODULE=mysite.settings"
        )
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The missing module may also be one that the project's settings import.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ImproperlyConfigured(
            f"LAUREL_SETTINGS_MODULE={name}: the project has no module {error.name}"
            " (searched from its top folder): correct the name"
        ) from error
    return {key: getattr(module, key) for key in dir(module) if key.isupper()}


# Each of these rules returns the settings that it overrides. It builds new values and never copies
# the project's deeply: a stream or an SSL context cannot be copied.


def as_given(project: Values, environ: Environment) -> Values:
    names = ("SECRET_KEY", "STATIC_ROOT", "MEDIA_ROOT")
    given = {name: environ[name] for name in names if environ.get(name)}
    # A Path stays a Path: the project may write MEDIA_ROOT / "avatars".
    return {
        name: Path(value) if isinstance(project.get(name), Path) else value
        for name, value in given.items()
    }


def debug(_project: Values, environ: Environment) -> Values:
    # Also without the variable: a forgotten DEBUG = True shows source code to strangers.
    return {"DEBUG": environ.get("DEBUG") == "true"}


def allowed_hosts(project: Values, environ: Environment) -> Values:
    # An empty variable also removes "*", which would accept every websocket's Origin.
    if "ALLOWED_HOSTS" not in environ:
        return {}
    given = [*words(environ["ALLOWED_HOSTS"]), *project.get("ALLOWED_HOSTS", [])]
    hosts = [host for host in dict.fromkeys(given) if host != "*"]
    own = environ.get("LAUREL_OWN_ADDRESSES") == "yes"
    return {"ALLOWED_HOSTS": HostsAndAddresses(hosts) if own else hosts}


class HostsAndAddresses(list[str]):
    """Hosts, and when it is iterated over, also the addresses of this machine's network cards.

    Django and Channels iterate over ALLOWED_HOSTS at each request and handshake. A request for a
    host of the list never gets as far as the addresses.
    """

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield from own_addresses()


def own_addresses() -> Iterator[str]:
    """The addresses of this machine, as a client writes them in the Host header (proc(5))."""
    routes = re.findall(r"-- (\S+)\n +/32 host LOCAL", Path("/proc/net/fib_trie").read_text())
    yield from dict.fromkeys(routes)
    cards = Path("/proc/net/if_inet6")  # absent without IPv6
    for line in cards.read_text().splitlines() if cards.exists() else ():
        digits, _, _, scope, *_ = line.split()
        if scope == "00":  # global
            yield f"[{ipaddress.IPv6Address(int(digits, 16))}]"


def csrf_trusted_origins(project: Values, environ: Environment) -> Values:
    origins = words(environ.get("CSRF_TRUSTED_ORIGINS", ""))
    if not origins:
        return {}
    if django.VERSION < (4,):
        # Django 3 compares hosts, and writes https://*.example.com as .example.com.
        origins = [re.sub(r"^\w+://\*?", "", origin) for origin in origins]
    both = [*project.get("CSRF_TRUSTED_ORIGINS", []), *origins]
    return {"CSRF_TRUSTED_ORIGINS": list(dict.fromkeys(both))}


def proxy_header(_project: Values, _environ: Environment) -> Values:
    # nginx sets the header on every request, so a client cannot forge it.
    return {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}


def tls_in_front(project: Values, environ: Environment) -> Values:
    given = environ.get("TLS_IN_FRONT") or "yes"
    if given not in ("yes", "no"):
        raise ImproperlyConfigured(f"TLS_IN_FRONT={given}: must be yes or no")
    if given == "yes":
        return {}
    return {name: off for name, off in off_without_tls.items() if project.get(name)}


def database_url(project: Values, environ: Environment) -> Values:
    url = environ.get("DATABASE_URL")
    if not url:
        return {}
    databases = project.get("DATABASES") or {}
    own = databases.get("default") or {}
    new = database_url_parser()(url, conn_max_age=own.get("CONN_MAX_AGE", 0))
    location = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    if all(str(own.get(key) or "") == str(new.get(key) or "") for key in location):
        # The project's settings have read DATABASE_URL themselves: keep their OPTIONS.
        return {}
    # These say how the project uses a database, wherever the database is.
    kept = {key: own[key] for key in ("ATOMIC_REQUESTS", "CONN_HEALTH_CHECKS") if key in own}
    engine = str(own.get("ENGINE") or "")
    if database_kind(engine) == database_kind(new["ENGINE"]):
        options = {**(own.get("OPTIONS") or {}), **(new.get("OPTIONS") or {})}
        if options:
            kept["OPTIONS"] = options
        if not engine.startswith("django.db.backends."):
            # A wrapper of another package, or PostGIS for a postgres:// URL.
            kept["ENGINE"] = engine
    return {"DATABASES": {**databases, "default": {**new, **kept}}}


def state_dir(project: Values, environ: Environment) -> Values:
    # A release's folder is read-only, and the next release has another one.
    databases = project.get("DATABASES") or {}
    if not environ.get("STATE_DIR") or not databases:
        return {}
    folder = Path(environ["STATE_DIR"]).resolve()
    files = {
        alias: Path(database["NAME"]).resolve()
        for alias, database in databases.items()
        if is_sqlite_file(database)
    }
    from_url = "default" if environ.get("DATABASE_URL") else None
    target = {
        file: file for alias, file in files.items() if folder in file.parents or alias == from_url
    }
    for alias, file in files.items():
        name = file.name
        while folder / name in target.values():
            name = f"{alias}-{name}"
        target.setdefault(file, folder / name)
    changed = {}
    for alias, file in files.items():
        moved = {"NAME": str(target[file])} if target[file] != file else {}
        changed[alias] = durable({**databases[alias], **moved})
    return {"DATABASES": {**databases, **changed}}


def channel_layer(project: Values, environ: Environment) -> Values:
    kind = environ.get("LAUREL_CHANNEL_LAYER") or "project"
    if kind == "project":
        return {}
    if kind not in layers_by_kind:
        known = ", ".join(["project", *layers_by_kind])
        raise ImproperlyConfigured(f"CHANNEL_LAYER={kind}: must be one of {known}")
    if kind != "memory" and not importlib.util.find_spec("channels_redis"):
        raise ImproperlyConfigured(f"CHANNEL_LAYER={kind}: add channels-redis to the requirements")
    backend = layers_by_kind[kind]

    def replaced(own: Values) -> Values:
        if own.get("BACKEND") == backend:
            return own
        if kind == "memory":
            return {"BACKEND": backend}
        config = own.get("CONFIG") or {}
        # The other options are of one kind of layer only.
        shared = ("hosts", "prefix", "symmetric_encryption_keys", "serializer_format")
        return {"BACKEND": backend, "CONFIG": {key: config[key] for key in shared if key in config}}

    layers = project.get("CHANNEL_LAYERS") or {"default": {}}
    return {"CHANNEL_LAYERS": {alias: replaced(own) for alias, own in layers.items()}}


def redis_url(project: Values, environ: Environment) -> Values:
    url = environ.get("REDIS_URL")
    if not url:
        return {}
    caches = {
        alias: own
        for alias, own in (project.get("CACHES") or {}).items()
        if own.get("BACKEND") in redis_caches
    }
    celery = [
        name for name in celery_urls if str(project.get(name)).startswith(("redis://", "rediss://"))
    ]
    if url.startswith(sentinel_scheme) and (caches or celery):
        users = " and ".join([*(f"CACHES[{alias!r}]" for alias in caches), *celery])
        raise ImproperlyConfigured(
            f"REDIS_URL names Sentinels, which {users} can't ask: name the Sentinels for the"
            " channel layer only, in the project's settings"
        )
    found: Values = {}
    if project.get("CHANNEL_LAYERS"):
        layers = project["CHANNEL_LAYERS"]
        found["CHANNEL_LAYERS"] = {alias: layer_on(own, url) for alias, own in layers.items()}
    if caches:
        # Clearing a cache empties its whole database, so it must not be the channel layer's.
        moved = {
            alias: {**own, "LOCATION": with_database(url, database_number(own.get("LOCATION")))}
            for alias, own in caches.items()
        }
        found["CACHES"] = {**project["CACHES"], **moved}
    for name in celery:
        found[name] = celery_url(with_database(url, database_number(project[name])))
    return found


def logs_to_stdout(project: Values, environ: Environment) -> Values:
    if not project.get("LOGGING_CONFIG", global_settings.LOGGING_CONFIG):
        return {}
    own = project.get("LOGGING") or {"version": 1, "disable_existing_loggers": False}
    if not isinstance(own, dict) or own.get("incremental"):
        # The project configures logging in its own way, or sets only levels.
        return {}
    handlers = {name: without_file(handler) for name, handler in own.get("handlers", {}).items()}
    loggers = own.get("loggers", {})
    # dictConfig knows three names for the root logger.
    root = {**loggers.get("", {}), **loggers.get("root", {}), **own.get("root", {})}
    if root.get("handlers"):
        return {"LOGGING": {**own, "handlers": handlers}}
    level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if not isinstance(logging.getLevelName(level), int):
        raise ImproperlyConfigured(
            f"LOG_LEVEL={level}: must be DEBUG, INFO, WARNING, ERROR or CRITICAL"
        )
    if "django" not in loggers and not project.get("ADMINS"):
        # Otherwise Django's handlers print each line again (with DEBUG), or mail it to no one.
        loggers = {**loggers, "django": {"handlers": [], "propagate": True}}
    line = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    return {
        "LOGGING": {
            **own,
            "formatters": {**own.get("formatters", {}), "laurel": line},
            "handlers": {**handlers, "laurel": on_stdout({"level": level, "formatter": "laurel"})},
            "loggers": loggers,
            "root": {"level": level, **root, "handlers": ["laurel"]},
        }
    }


# The rules in order, each with the reason that is shown for its changes. An empty reason stands for
# the environment variable that has the setting's name.
rules: tuple[tuple[Callable[[Values, Environment], Values], str], ...] = (
    (as_given, ""),
    (debug, "DEBUG, false by default"),
    (allowed_hosts, ""),
    (csrf_trusted_origins, ""),
    (proxy_header, "nginx in front"),
    (tls_in_front, "TLS_IN_FRONT"),
    (database_url, "DATABASE_URL"),
    (state_dir, "STATE_DIR"),
    (channel_layer, "CHANNEL_LAYER"),
    (redis_url, "REDIS_URL"),
    (logs_to_stdout, "logs go to stdout"),
)


def words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def database_url_parser() -> Any:
    try:
        importlib.import_module("dj_database_url")
    except ModuleNotFoundError:
        # At the end of the path: the project's copy, if it has one, comes first.
        sys.path.append(library)
    return importlib.import_module("dj_database_url").parse


def database_kind(engine: str) -> str:
    """Return the kind of server that an ENGINE is for; "" if its name does not say."""
    kinds = {"postgres": "postgresql", "postgis": "postgresql", "mysql": "mysql"}
    kinds |= {"sqlite": "sqlite", "spatialite": "sqlite", "oracle": "oracle"}
    return next((kind for part, kind in kinds.items() if part in engine.lower()), engine)


def is_sqlite_file(database: Values) -> bool:
    name = str(database.get("NAME") or ":memory:")
    # SpatiaLite extends SQLite. A `file:` URI most often means a database in memory.
    sqlite = str(database.get("ENGINE", "")).endswith(("sqlite3", "spatialite"))
    return sqlite and name != ":memory:" and not name.startswith("file:")


def durable(database: Values) -> Values:
    """Return the SQLite database with commits that survive a power cut."""
    options = database.get("OPTIONS") or {}
    own = options.get("init_command") or ""
    if django.VERSION < (5, 1) or "synchronous" in own.lower():
        # Django before 5.1 has no init_command; otherwise, the project has chosen.
        return database
    command = f"PRAGMA synchronous=EXTRA; {own}".strip()
    return {**database, "OPTIONS": {**options, "init_command": command}}


def database_number(own: object) -> str:
    """Return the number of the Redis database in a project's URL or host; "" if it has none."""
    if isinstance(own, (list, tuple)):
        # A primary and its replicas, or (host, port).
        own = own[0] if own else ""
    if isinstance(own, dict):
        own = f"?db={own['db']}" if "db" in own else own.get("address")
    found = re.search(r"^rediss?://[^/?]*/(\d+)\b|[?&]db=(\d+)", str(own))
    return found[1] or found[2] if found else ""


def with_database(url: str, number: str) -> str:
    """Return `url` with this number of a database, unless it has one."""
    if not number or database_number(url):
        return url
    if url.startswith("unix:"):
        return f"{url}{'&' if '?' in url else '?'}db={number}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


def celery_url(url: str) -> str:
    """Return `url` in Celery's form, which differs for a unix socket."""
    if not url.startswith("unix:"):
        return url
    return "redis+socket:" + re.sub(r"([?&])db=", r"\1virtual_host=", url.removeprefix("unix:"))


def layer_on(layer: Values, url: str) -> Values:
    """Return the layer with its Redis at `url`; a layer without Redis is returned as it is."""
    backend = str(layer.get("BACKEND", ""))
    if not backend.startswith("channels_redis."):
        return layer
    options: Values = {}
    major = int(version("channels_redis").partition(".")[0])
    if backend.endswith(".RedisChannelLayer") and major >= 4:
        # This layer waits on Redis for 5 s, and redis-py 8 gives up after 5 s: idle websockets die.
        # It takes a connection for each websocket that it sends to, and redis-py allows 100. Before
        # version 4, the layer used another client, without these options.
        options = {"socket_timeout": None, "max_connections": 10_000}
    config = layer.get("CONFIG") or {}
    own = config.get("hosts") or []
    host: Any
    if url.startswith(sentinel_scheme):
        host = {**sentinel_host(url), **options}
    elif len(own) == 1 and isinstance(own[0], dict) and own[0].get("address") == url:
        # The project's settings have read REDIS_URL themselves: keep their options (retry, ...).
        host = {**options, **own[0]}
    else:
        address = with_database(url, database_number(own))
        host = {"address": address, **options} if options else address
    return {**layer, "CONFIG": {**config, "hosts": [host]}}


def sentinel_host(url: str) -> Values:
    """Return the host in the form of channels_redis.

    `url` is redis+sentinel://[:PASSWORD@]HOST[:PORT][,HOST[:PORT] ...]/SERVICE[/NUMBER].
    """
    parts = urlsplit(url)
    account, _, hosts = parts.netloc.rpartition("@")
    service, _, number = parts.path.strip("/").partition("/")
    pairs = [host.partition(":") for host in hosts.split(",")]
    password = unquote(account.partition(":")[2])
    return {
        "sentinels": [(host, int(port or 26379)) for host, _, port in pairs],
        "master_name": service,
        **({"db": int(number)} if number else {}),
        **({"password": password, "sentinel_kwargs": {"password": password}} if password else {}),
    }


def without_file(handler: Values) -> Values:
    """Return the handler, or one on stdout if it would write to a file."""
    kind = handler.get("()", handler.get("class", ""))
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return on_stdout(handler) if name.endswith("FileHandler") else handler


def on_stdout(handler: Values) -> Values:
    names = ("level", "filters", "formatter")
    kept: Values = {key: handler[key] for key in names if key in handler}
    return {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", **kept}


def overrides(project: Values, environ: Environment) -> tuple[Values, tuple[tuple[str, str], ...]]:
    """Return the settings that change, and (name, reason) of each.

    A value that the project or Django already has is no change. Raises ImproperlyConfigured for
    a variable with an invalid value.
    """
    values: Values = {}
    reasons: dict[str, str] = {}
    for rule, reason in rules:
        now = {**project, **values}
        for name, value in rule(now, environ).items():
            before = now.get(name, getattr(global_settings, name, None))
            # The type, too: HostsAndAddresses equals a list with the same hosts.
            if value != before or type(value) is not type(before):
                values[name] = value
                reasons[name] = f"{reasons[name]}, {reason}" if name in reasons else reason or name
    return values, tuple(reasons.items())


def shown(name: str, value: object) -> str:
    """Return the value as text with its secrets masked, however deeply they are nested."""
    if secret_name.search(name):
        return mask
    if isinstance(value, Mapping):
        pairs = (f"{shown('', key)}: {shown(str(key), item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(shown("", item) for item in value) + "]"
    if isinstance(value, (str, bytes, os.PathLike)):
        text = os.fsdecode(value)
        return mask if secret_part.search(text) else repr(url_password.sub(rf"\1{mask}@", text))
    if isinstance(value, (int, float, type(None))):
        return repr(value)
    # The repr of any other object may contain a secret.
    return f"<{type(value).__qualname__}>"


# The project's modules may read `django.conf.settings` while they load: its package may start
# Celery, its settings may pass SECRET_KEY to a JWT library. Django then looks into this module,
# which is not complete yet. Until it is, these two functions answer with the project's own values,
# and with the secret of this machine.


def __dir__() -> list[str]:
    return [*globals(), *dir(importlib.import_module(os.environ["LAUREL_SETTINGS_MODULE"]))]


def __getattr__(name: str) -> Any:
    if not name.isupper():
        raise AttributeError(name)
    value = getattr(importlib.import_module(os.environ["LAUREL_SETTINGS_MODULE"]), name)
    return as_given({name: value}, os.environ).get(name, value)


project = project_settings(os.environ)
changed, reasons = overrides(project, os.environ)
globals().update({**project, **changed})
LAUREL_OVERRIDES = reasons
del __dir__, __getattr__

if __name__ == "__main__":
    for setting, reason in LAUREL_OVERRIDES:
        print(f"{setting} = {shown(setting, changed[setting])}  <- {reason}")
