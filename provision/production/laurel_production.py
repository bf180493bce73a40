"""The project's own settings, and on top of them what this machine's environment says.

DJANGO_SETTINGS_MODULE is laurel_production, LAUREL_SETTINGS_MODULE the project's own module. What
that sets is taken unchanged, but for this; a variable that is empty counts as one that is not set:

    SECRET_KEY            SECRET_KEY
    DEBUG                 DEBUG: true if it is "true", else false, whatever theirs says
    ALLOWED_HOSTS         put before theirs, separated by commas; "*" is taken out
    CSRF_TRUSTED_ORIGINS  added to theirs, separated by commas
    STATIC_ROOT, MEDIA_ROOT   the same
    TLS_IN_FRONT          "no": what works over HTTPS only is off; "yes" [default]: as theirs
    DATABASE_URL          DATABASES["default"]
    STATE_DIR             where SQLite's files are, and that what is committed survives a power cut
    LAUREL_CHANNEL_LAYER  "project" [default]: as theirs; "pubsub", "core", "memory": of that kind
    REDIS_URL             channel layers, caches and Celery, those that use Redis already; where it
                          names no database, each keeps the number of its own; a service of
                          Sentinels is for channel layers alone
    LOG_LEVEL             [INFO] of the handler that is added where theirs has none

Without any variable, nginx's X-Forwarded-Proto is believed, and logs go to stdout, not to files.

`python -m laurel_production` prints each setting that is not the project's own, and why.
"""

# Django takes every upper-case name in here for a setting, and theirs are copied over them: a
# constant has a lower-case name.

import importlib
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

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
layers_by_kind = {
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "core": "channels_redis.core.RedisChannelLayer",
    "memory": "channels.layers.InMemoryChannelLayer",
}
sentinel_scheme = "redis+sentinel"
# Over plain HTTP the redirect leads nowhere and a browser keeps none of the cookies: nobody could
# log in.
off_without_tls = {
    "SECURE_SSL_REDIRECT": False,
    "SECURE_HSTS_SECONDS": 0,
    "SESSION_COOKIE_SECURE": False,
    "CSRF_COOKIE_SECURE": False,
    "LANGUAGE_COOKIE_SECURE": False,
}
secret_name = re.compile("SECRET|PASS|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)
secret_part = re.compile(rf"(?:{secret_name.pattern})\w*=", re.IGNORECASE)
# To the last "@", for a password that somebody forgot to quote may hold any character.
url_password = re.compile(r"(://[^:]*:).+@", re.DOTALL)
mask = "********"


# The project's own


def project_settings(environ: Environment) -> Values:
    """Every setting of the module that LAUREL_SETTINGS_MODULE names.

    Raises ImproperlyConfigured if it names none or one that is not there; what goes wrong
    inside of theirs is raised as it is.
    """
    name = environ.get("LAUREL_SETTINGS_MODULE")
    if not name:
        raise ImproperlyConfigured(
            "LAUREL_SETTINGS_MODULE is not set: give it the name of the project's own settings"
            " module, e.g. LAUREL_SETTINGS_MODULE=mysite.settings"
        )
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Theirs, or a package around it; any other is one that theirs imports.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ImproperlyConfigured(
            f"LAUREL_SETTINGS_MODULE={name}: there is no module {error.name} in the project"
            " (looked for from its top folder): correct the name"
        ) from error
    return {key: getattr(module, key) for key in dir(module) if key.isupper()}


# Each of these returns the settings that it overrides. Theirs are never changed in place, and
# never copied deeply: a stream or an SSL context among them can't be.


def as_given(theirs: Values, environ: Environment) -> Values:
    names = ("SECRET_KEY", "STATIC_ROOT", "MEDIA_ROOT")
    given = {name: environ[name] for name in names if environ.get(name)}
    # A Path of theirs is the same folder.
    return {name: value for name, value in given.items() if value != str(theirs.get(name))}


def debug(_theirs: Values, environ: Environment) -> Values:
    # Without a variable, too: a DEBUG = True that was forgotten shows its source to strangers.
    return {"DEBUG": environ.get("DEBUG") == "true"}


def allowed_hosts(theirs: Values, environ: Environment) -> Values:
    # An empty list is a list, here: "*" would let every websocket's Origin in.
    if "ALLOWED_HOSTS" not in environ:
        return {}
    hosts = [*words(environ["ALLOWED_HOSTS"]), *theirs.get("ALLOWED_HOSTS", [])]
    return {"ALLOWED_HOSTS": [host for host in dict.fromkeys(hosts) if host != "*"]}


def csrf_trusted_origins(theirs: Values, environ: Environment) -> Values:
    origins = words(environ.get("CSRF_TRUSTED_ORIGINS", ""))
    if not origins:
        return {}
    if django.VERSION < (4,):
        # It compares hosts, and writes https://*.example.com as .example.com.
        origins = [re.sub(r"^\w+://\*?", "", origin) for origin in origins]
    both = [*theirs.get("CSRF_TRUSTED_ORIGINS", []), *origins]
    return {"CSRF_TRUSTED_ORIGINS": list(dict.fromkeys(both))}


def proxy_header(_theirs: Values, _environ: Environment) -> Values:
    # nginx sets it on every request, so a client's own value never gets here.
    return {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}


def tls_in_front(theirs: Values, environ: Environment) -> Values:
    said = environ.get("TLS_IN_FRONT") or "yes"
    if said not in ("yes", "no"):
        raise ImproperlyConfigured(f"TLS_IN_FRONT={said}: it may be yes or no")
    if said == "yes":
        return {}
    return {name: off for name, off in off_without_tls.items() if theirs.get(name)}


def database_url(theirs: Values, environ: Environment) -> Values:
    url = environ.get("DATABASE_URL")
    if not url:
        return {}
    databases = theirs.get("DATABASES") or {}
    own = databases.get("default") or {}
    new = database_url_parser()(url, conn_max_age=own.get("CONN_MAX_AGE", 0))
    place = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    if all(str(own.get(key) or "") == str(new.get(key) or "") for key in place):
        # Their settings read the variable by themselves, and their OPTIONS are meant for it.
        return {}
    # How the project uses a database, wherever that is.
    kept = {key: own[key] for key in ("ATOMIC_REQUESTS", "CONN_HEALTH_CHECKS") if key in own}
    return {"DATABASES": {**databases, "default": {**new, **kept}}}


def state_dir(theirs: Values, environ: Environment) -> Values:
    # The release's folder is read-only, and another one at the next release.
    databases = theirs.get("DATABASES") or {}
    if not environ.get("STATE_DIR") or not databases:
        return {}
    folder = Path(environ["STATE_DIR"]).resolve()
    files = {
        alias: Path(database["NAME"]).resolve()
        for alias, database in databases.items()
        if is_sqlite_file(database)
    }
    by_url = "default" if environ.get("DATABASE_URL") else None
    place = {
        file: file for alias, file in files.items() if folder in file.parents or alias == by_url
    }
    for alias, file in files.items():
        name = file.name
        while folder / name in place.values():
            name = f"{alias}-{name}"
        place.setdefault(file, folder / name)
    own = {
        alias: durable({**databases[alias], "NAME": str(place[file])})
        if place[file] != file
        else durable(databases[alias])
        for alias, file in files.items()
    }
    return {"DATABASES": {**databases, **own}}


def channel_layer(theirs: Values, environ: Environment) -> Values:
    kind = environ.get("LAUREL_CHANNEL_LAYER") or "project"
    if kind == "project":
        return {}
    if kind not in layers_by_kind:
        known = ", ".join(["project", *layers_by_kind])
        raise ImproperlyConfigured(f"CHANNEL_LAYER={kind}: it may be {known}")
    if kind != "memory" and not importlib.util.find_spec("channels_redis"):
        raise ImproperlyConfigured(f"CHANNEL_LAYER={kind}: add channels-redis to the requirements")
    backend = layers_by_kind[kind]
    layers = theirs.get("CHANNEL_LAYERS") or {"default": {}}
    return {
        "CHANNEL_LAYERS": {
            name: own
            if own.get("BACKEND") == backend
            else {"BACKEND": backend, **({} if kind == "memory" else {"CONFIG": redis_part(own)})}
            for name, own in layers.items()
        }
    }


def redis_url(theirs: Values, environ: Environment) -> Values:
    url = environ.get("REDIS_URL")
    if not url:
        return {}
    if url.startswith(f"{sentinel_scheme}:"):
        refuse_others_than_layers(theirs)
    found: Values = {}
    for name, moved in (("CHANNEL_LAYERS", layer_on), ("CACHES", cache_on)):
        if theirs.get(name):
            found[name] = {alias: moved(own, url) for alias, own in theirs[name].items()}
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL"):
        if str(theirs.get(name)).startswith(("redis://", "rediss://")):
            # Celery has a name of its own for a socket.
            here = with_database(url, database_number(theirs[name]))
            if here.startswith("unix:"):
                here = re.sub(r"([?&])db=", r"\1virtual_host=", here).replace(
                    "unix:", "redis+socket:", 1
                )
            found[name] = here
    return found


def logs_to_stdout(theirs: Values, environ: Environment) -> Values:
    if not theirs.get("LOGGING_CONFIG", global_settings.LOGGING_CONFIG):
        return {}
    own = theirs.get("LOGGING") or {"version": 1, "disable_existing_loggers": False}
    if not isinstance(own, dict) or own.get("incremental"):
        # Not a description of handlers: a file's name for a function of theirs, or levels alone.
        return {}
    handlers = {name: without_file(handler) for name, handler in own.get("handlers", {}).items()}
    loggers = own.get("loggers", {})
    # dictConfig knows the root logger by three names.
    root = {**loggers.get("", {}), **loggers.get("root", {}), **own.get("root", {})}
    if root.get("handlers"):
        return {"LOGGING": {**own, "handlers": handlers}}
    level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if not isinstance(logging.getLevelName(level), int):
        raise ImproperlyConfigured(
            f"LOG_LEVEL={level}: it may be DEBUG, INFO, WARNING, ERROR or CRITICAL"
        )
    if "django" not in loggers and not theirs.get("ADMINS"):
        # Django's own handlers would print a line again with DEBUG, and mail it to nobody without.
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


# What those need


def words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def database_url_parser() -> Any:
    try:
        importlib.import_module("dj_database_url")
    except ModuleNotFoundError:
        # The project has none: Laurel's.
        sys.path.append(library)
    return importlib.import_module("dj_database_url").parse


def is_sqlite_file(database: Values) -> bool:
    name = str(database.get("NAME") or ":memory:")
    engine = str(database.get("ENGINE", ""))
    # SpatiaLite is SQLite; `file:` begins a URI, most often of a database in memory.
    return (
        engine.endswith(("sqlite3", "spatialite"))
        and name != ":memory:"
        and not name.startswith("file:")
    )


def durable(database: Values) -> Values:
    """The SQLite database, which keeps what is committed even if the power is cut."""
    options = database.get("OPTIONS") or {}
    first = options.get("init_command") or ""
    if django.VERSION < (5, 1) or "synchronous" in first.lower():
        # It had no such option before; or they have chosen.
        return database
    return {
        **database,
        "OPTIONS": {**options, "init_command": f"PRAGMA synchronous=EXTRA; {first}".strip()},
    }


def database_number(own: object) -> str:
    """Which of a Redis' databases a URL or a description of theirs names; empty for none."""
    if isinstance(own, (list, tuple)):
        # Redis itself, and those that follow it; or (host, port).
        own = own[0] if own else ""
    if isinstance(own, dict):
        return str(own["db"]) if "db" in own else database_number(own.get("address"))
    if not isinstance(own, str):
        return ""
    parts = urlsplit(re.split("[,;]", own)[0])
    said = parse_qs(parts.query).get("db", [""])[0]
    if not said and parts.scheme in ("redis", "rediss"):
        said = parts.path.strip("/")
    return said if said.isdecimal() else ""


def with_database(url: str, number: str) -> str:
    """`url`, with that number of a database where it names none."""
    if not number or database_number(url):
        return url
    if url.startswith("unix:"):
        return f"{url}{'&' if '?' in url else '?'}db={number}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


def redis_part(layer: Values) -> Values:
    """Of a layer's CONFIG, what another kind of layer on Redis takes as well."""
    config = layer.get("CONFIG") or {}
    shared = ("hosts", "prefix", "symmetric_encryption_keys", "serializer_format")
    return {key: config[key] for key in shared if key in config}


def refuse_others_than_layers(theirs: Values) -> None:
    """Raise ImproperlyConfigured if what can't ask Sentinels would be pointed at them."""
    caches = theirs.get("CACHES") or {}
    asking = [f"CACHES[{name!r}]" for name, own in caches.items() if own["BACKEND"] in redis_caches]
    asking += [
        name
        for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL")
        if str(theirs.get(name)).startswith(("redis://", "rediss://"))
    ]
    if asking:
        raise ImproperlyConfigured(
            f"REDIS_URL names Sentinels, which {' and '.join(asking)} can't ask: give the channel"
            " layer alone a Redis, in the project's own settings"
        )


def of_sentinels(url: str) -> Values:
    """The Redis that Sentinels know, as channels_redis takes it: `url` is
    redis+sentinel://[:PASSWORD@]HOST[:PORT][,HOST[:PORT] ...]/SERVICE[/NUMBER]."""
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


def layer_on(layer: Values, url: str) -> Values:
    """The layer with its Redis at `url`; any other kind of layer as it is."""
    backend = str(layer.get("BACKEND", ""))
    if not backend.startswith("channels_redis."):
        return layer
    options: Values = {}
    major = int(version("channels_redis").partition(".")[0])
    if backend.endswith(".RedisChannelLayer") and major >= 4:
        # redis-py 8 gives up after 5 s, which is what this layer waits for: idle websockets die.
        # And it keeps no more than 100 connections: this layer takes one for each websocket that is
        # being sent to. Up to its version 3 the layer has another client, without such options.
        options = {"socket_timeout": None, "max_connections": 10_000}
    config = layer.get("CONFIG") or {}
    own = config.get("hosts") or []
    if url.startswith(f"{sentinel_scheme}:"):
        host = {**of_sentinels(url), **options}
        return {**layer, "CONFIG": {**config, "hosts": [host]}}
    given, url = url, with_database(url, database_number(own))
    if len(own) == 1 and isinstance(own[0], dict) and own[0].get("address") == given:
        # Their settings read the variable by themselves: their options (retry, ...) are for it.
        options = {**options, **own[0]}
    host = {"address": url, **options} if options else url
    return {**layer, "CONFIG": {**config, "hosts": [host]}}


def cache_on(cache: Values, url: str) -> Values:
    if cache.get("BACKEND") not in redis_caches:
        return cache
    # What empties a cache empties its database: it is not to be the channel layer's.
    return {**cache, "LOCATION": with_database(url, database_number(cache.get("LOCATION")))}


def without_file(handler: Values) -> Values:
    """The handler, on stdout if it would write to a file."""
    kind = handler.get("()", handler.get("class", ""))
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return on_stdout(handler) if name.endswith("FileHandler") else handler


def on_stdout(handler: Values) -> Values:
    kept: Values = {
        key: handler[key] for key in ("level", "filters", "formatter") if key in handler
    }
    return {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", **kept}


# All of it, in order; with the reason that is told, where no variable has the setting's name.
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


def overrides(theirs: Values, environ: Environment) -> tuple[Values, tuple[tuple[str, str], ...]]:
    """What differs from theirs and from Django's defaults: the values, and (name, reason) of each.

    Raises ImproperlyConfigured for a variable that says what it can't.
    """
    values: Values = {}
    reasons: dict[str, str] = {}
    for rule, reason in rules:
        now = {**theirs, **values}
        for name, value in rule(now, environ).items():
            if value != now.get(name, getattr(global_settings, name, None)):
                values[name] = value
                reasons[name] = f"{reasons[name]}, {reason}" if name in reasons else reason or name
    return values, tuple(reasons.items())


def shown(name: str, value: object) -> str:
    """The value as one may print it: no secret, in whatever it is nested."""
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
    # What an object of another class says of itself may be anything.
    return f"<{type(value).__qualname__}>"


theirs = project_settings(os.environ)
changed, reasons = overrides(theirs, os.environ)
globals().update({**theirs, **changed})
LAUREL_OVERRIDES = reasons

if __name__ == "__main__":
    for setting, reason in LAUREL_OVERRIDES:
        print(f"{setting} = {shown(setting, changed[setting])}  <- {reason}")
