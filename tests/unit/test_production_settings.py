"""What a machine's environment changes in a project's settings."""

import importlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host
from django.utils.module_loading import import_string

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
MEMORY = "channels.layers.InMemoryChannelLayer"
SQLITE = "django.db.backends.sqlite3"
POSTGRES = "django.db.backends.postgresql"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
REDIS_CACHES = (
    "django.core.cache.backends.redis.RedisCache",
    "django_redis.cache.RedisCache",
    "redis_cache.RedisCache",
)
CELERY = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL")
STDOUT = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
REDIS = "redis://10.0.0.9:6379/0"
SENTINELS = "redis+sentinel://:p%40w@10.0.0.9,redis.example:26380/main/2"
# These make up for redis-py's limits, with which RedisChannelLayer loses websockets.
CORE_OPTIONS = {"socket_timeout": None, "max_connections": 10_000}
OFF_WITHOUT_TLS = (
    *("SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SESSION_COOKIE_SECURE"),
    *("CSRF_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE"),
)
HTTPS_ONLY = {**dict.fromkeys(OFF_WITHOUT_TLS, True), "SECURE_HSTS_SECONDS": 3600}
HTTPS_OFF = {**dict.fromkeys(OFF_WITHOUT_TLS, False), "SECURE_HSTS_SECONDS": 0}
# Every project's settings get these.
ALWAYS = {"SECURE_PROXY_SSL_HEADER", "LOGGING"}

# What a machine with one network card has: proc(5).
FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.2.0/24 2 0 2
        |-- 10.0.2.0
           /24 link UNICAST
        |-- 10.0.2.15
           /32 host LOCAL
        |-- 10.0.2.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.0.2.15
           /32 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000015 02 40 00 00     eth0
fe80000000000000505400fffe123456 02 40 20 80     eth0
"""

Values = dict[str, Any]
Changed = Callable[..., Values]


def sqlite(name: object, engine: str = SQLITE, **more: Any) -> Values:
    return {"ENGINE": engine, "NAME": name, **more}


def layer(backend: str, **config: Any) -> Values:
    return {"BACKEND": backend, "CONFIG": config}


@pytest.fixture
def changed(production: Any) -> Changed:
    """Returns the overrides of a project's settings by an environment, without ALWAYS."""

    def find(project: Values, **environment: str) -> Values:
        values, reasons = production.overrides(project, environment)
        assert [name for name, _ in reasons] == list(values)
        return {name: value for name, value in values.items() if name not in ALWAYS}

    return find


# The module of the project's settings


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("", "", ImproperlyConfigured, "^LAUREL_SETTINGS_MODULE is not set: set it to "),
        ("shop_setings", "", ImproperlyConfigured, "=shop_setings: .* no module shop_setings "),
        ("shp.settings", "", ImproperlyConfigured, "the project has no module shp "),
        # Errors of the project's own are raised unchanged.
        ("shop_settings", "import shop", ModuleNotFoundError, "^No module named 'shop'"),
        ("shop_settings", "raise ModuleNotFoundError('mine')", ModuleNotFoundError, "^mine$"),
    ],
)
def test_missing_module_and_other_errors_are_told_apart(
    production: Any, tmp_path: Path, name: str, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "shop_settings.py").write_text(text)
    importlib.invalidate_caches()
    with pytest.raises(error, match=message):
        production.project_settings({"LAUREL_SETTINGS_MODULE": name})


# Plain values


@pytest.mark.parametrize(
    ("project", "environment", "expected"),
    [
        ({}, {"SECRET_KEY": "a,b $c 'd'"}, {"SECRET_KEY": "a,b $c 'd'"}),
        ({"STATIC_ROOT": Path("/own")}, {"STATIC_ROOT": "/srv"}, {"STATIC_ROOT": Path("/srv")}),
        ({"MEDIA_ROOT": "/own"}, {"MEDIA_ROOT": "/srv"}, {"MEDIA_ROOT": "/srv"}),
        ({"MEDIA_ROOT": Path("/srv")}, {"MEDIA_ROOT": "/srv"}, {}),
        ({"DEBUG": True}, {}, {"DEBUG": False}),
        ({"DEBUG": True}, {"DEBUG": "True"}, {"DEBUG": False}),
        ({"DEBUG": True}, {"DEBUG": "true"}, {}),
        ({}, {"DEBUG": "true"}, {"DEBUG": True}),
        (HTTPS_ONLY, {}, {}),
        (HTTPS_ONLY, {"TLS_IN_FRONT": "yes"}, {}),
        (HTTPS_ONLY, {"TLS_IN_FRONT": "no"}, HTTPS_OFF),
        ({"SECURE_SSL_REDIRECT": False}, {"TLS_IN_FRONT": "no"}, {}),
        # An empty variable counts as unset.
        (
            {"SECRET_KEY": "own", "CSRF_TRUSTED_ORIGINS": ["https://a.example"], **HTTPS_ONLY},
            dict.fromkeys(
                ("SECRET_KEY", "CSRF_TRUSTED_ORIGINS", "TLS_IN_FRONT", "DATABASE_URL", "REDIS_URL"),
                "",
            ),
            {},
        ),
        ({}, {"REDIS_URL": REDIS, "STATE_DIR": "/var/lib/site"}, {}),
    ],
)
def test_variable_overrides_its_setting(
    changed: Changed, project: Values, environment: dict[str, str], expected: Values
) -> None:
    assert changed(project, **environment) == expected


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        (("a.example", "*"), "b.example, 10.0.0.7", ["b.example", "10.0.0.7", "a.example"]),
        (["*"], "*,[::1],[::1]", ["[::1]"]),
        (["*"], "", []),
    ],
)
def test_allowed_hosts_come_first_and_without_wildcard(
    changed: Changed, own: list[str], given: str, expected: list[str]
) -> None:
    assert changed({"ALLOWED_HOSTS": own}, ALLOWED_HOSTS=given) == {"ALLOWED_HOSTS": expected}


@pytest.mark.parametrize("own", [[], ["own.example"], ["a.example"]])
def test_machines_addresses_are_accepted_without_a_list(changed: Changed, own: list[str]) -> None:
    environment = {"ALLOWED_HOSTS": "a.example", "LAUREL_OWN_ADDRESSES": "yes"}
    # A project that reads the variable itself has the same list.
    hosts = changed({"ALLOWED_HOSTS": own}, **environment)["ALLOWED_HOSTS"]
    assert isinstance(hosts, list)  # Django insists
    assert [*hosts][: len(hosts)] == list(dict.fromkeys(["a.example", *own]))
    assert validate_host("127.0.0.1", hosts)
    assert not validate_host("203.0.113.7", hosts)


def test_listed_host_is_accepted_before_addresses_are_read(
    production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production, "own_addresses", Mock(side_effect=AssertionError))
    assert validate_host("a.example", production.HostsAndAddresses(["a.example"]))


def test_addresses_are_those_of_the_network_cards(
    production: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/fib_trie").write_text(FIB_TRIE)
    (tmp_path / "proc/net/if_inet6").write_text(IF_INET6)
    monkeypatch.setattr(production, "Path", lambda path: tmp_path / path.lstrip("/"))
    assert [*production.own_addresses()] == ["10.0.2.15", "127.0.0.1", "[2001:db8::15]"]
    (tmp_path / "proc/net/if_inet6").unlink()
    assert [*production.own_addresses()] == ["10.0.2.15", "127.0.0.1"]


def test_trusted_origins_have_the_form_of_djangos_version(
    changed: Changed, production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = {"CSRF_TRUSTED_ORIGINS": ["https://a.example"]}
    given = "https://a.example, https://*.b.example:8443"
    for version, expected in (
        ((4, 0), ["https://a.example", "https://*.b.example:8443"]),
        ((3, 2), ["https://a.example", "a.example", ".b.example:8443"]),
    ):
        monkeypatch.setattr(production.django, "VERSION", version)
        assert changed(project, CSRF_TRUSTED_ORIGINS=given) == {"CSRF_TRUSTED_ORIGINS": expected}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TLS_IN_FRONT": "true"}, "^TLS_IN_FRONT=true: must be yes or no$"),
        ({"LOG_LEVEL": "loud"}, "^LOG_LEVEL=LOUD: must be DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        (
            {"LAUREL_CHANNEL_LAYER": "Core"},
            "^CHANNEL_LAYER=Core: must be one of project, pubsub, core, memory$",
        ),
    ],
)
def test_invalid_value_is_refused(
    changed: Changed, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        changed({}, **environment)


# Databases


@pytest.fixture
def dj_database_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the package, which machines have: returns what it was called with."""

    def parse(url: str, conn_max_age: int) -> Values:
        engine = POSTGRES if url.startswith("postgres:") else SQLITE
        new = {"CONN_MAX_AGE": conn_max_age, "CONN_HEALTH_CHECKS": False}
        return {"ENGINE": engine, "NAME": url, **new}

    monkeypatch.setitem(sys.modules, "dj_database_url", SimpleNamespace(parse=parse))


@pytest.mark.usefixtures("dj_database_url")
def test_database_url_replaces_the_default_database(changed: Changed) -> None:
    url = "postgres://db/site"
    kept = {"CONN_MAX_AGE": None, "ATOMIC_REQUESTS": True, "CONN_HEALTH_CHECKS": True}
    own = sqlite("/app/db.sqlite3", OPTIONS={"timeout": 20}, **kept)
    other = {"ENGINE": "django.db.backends.mysql", "NAME": "other"}
    found = changed({"DATABASES": {"default": own, "other": other}}, DATABASE_URL=url)
    default = {"ENGINE": POSTGRES, "NAME": url, **kept}
    assert found == {"DATABASES": {"default": default, "other": other}}
    assert changed({}, DATABASE_URL=url)["DATABASES"]["default"]["CONN_MAX_AGE"] == 0


@pytest.mark.usefixtures("dj_database_url")
def test_project_that_reads_database_url_keeps_its_options(changed: Changed) -> None:
    own = {"ENGINE": POSTGRES, "NAME": "postgres://db", "HOST": "", "OPTIONS": {"pool": True}}
    assert changed({"DATABASES": {"default": own}}, DATABASE_URL="postgres://db") == {}
    own["PASSWORD"] = "another"
    found = changed({"DATABASES": {"default": own}}, DATABASE_URL="postgres://db")
    assert found["DATABASES"]["default"]["OPTIONS"] == {"pool": True}


@pytest.mark.parametrize(
    ("database", "name"),
    [
        (sqlite("/app/site.db"), "/var/lib/site/site.db"),
        (sqlite(Path("/app/site.db")), "/var/lib/site/site.db"),
        (sqlite("/a.db", "django.contrib.gis.db.backends.spatialite"), "/var/lib/site/a.db"),
        (sqlite("/var/lib/site/deep/a.db"), "/var/lib/site/deep/a.db"),
    ],
)
def test_sqlite_file_moves_to_the_state_folder(
    changed: Changed, database: Values, name: str
) -> None:
    database = {**database, "OPTIONS": {"timeout": 20}, "ATOMIC_REQUESTS": True}
    found = changed({"DATABASES": {"default": database}}, STATE_DIR="/var/lib/site")
    options = {"timeout": 20, "init_command": "PRAGMA synchronous=EXTRA;"}
    assert found["DATABASES"]["default"] == {**database, "NAME": name, "OPTIONS": options}


@pytest.mark.parametrize(
    "database",
    [
        sqlite(":memory:"),
        sqlite("file:shared?mode=memory&cache=shared"),
        sqlite("/var/lib/site/a.db", OPTIONS={"init_command": "pragma Synchronous=NORMAL"}),
        sqlite("site", POSTGRES),
    ],
)
def test_other_databases_stay(changed: Changed, database: Values) -> None:
    assert changed({"DATABASES": {"default": database}}, STATE_DIR="/var/lib/site") == {}


def test_django_before_5_1_gets_no_init_command(
    changed: Changed, production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production.django, "VERSION", (4, 2, 30, "final", 0))
    databases = {"default": sqlite("/state/db.sqlite3")}
    assert changed({"DATABASES": databases}, STATE_DIR="/state") == {}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            {"default": "/a/db", "logs": "/b/db", "more": "/c/db"},
            {"default": "db", "logs": "logs-db", "more": "more-db"},
        ),
        # A file in the state folder keeps its name, in any order.
        ({"default": "/a/db", "logs": "/var/lib/site/db"}, {"default": "default-db", "logs": "db"}),
        # Two aliases of one file stay one file.
        ({"default": "/a/db", "copy": "/a/db"}, {"default": "db", "copy": "db"}),
    ],
)
def test_sqlite_files_of_one_name_stay_apart(
    changed: Changed, names: dict[str, str], expected: dict[str, str]
) -> None:
    databases = {alias: sqlite(name) for alias, name in names.items()}
    found = changed({"DATABASES": databases}, STATE_DIR="/var/lib/site")["DATABASES"]
    assert {alias: database["NAME"] for alias, database in found.items()} == {
        alias: f"/var/lib/site/{name}" for alias, name in expected.items()
    }


@pytest.mark.usefixtures("dj_database_url")
def test_sqlite_file_from_database_url_stays(changed: Changed) -> None:
    databases = {"default": sqlite("/app/db"), "logs": sqlite("/app/logs")}
    found = changed({"DATABASES": databases}, STATE_DIR="/state", DATABASE_URL="/mnt/db")
    names = {alias: database["NAME"] for alias, database in found["DATABASES"].items()}
    assert names == {"default": "/mnt/db", "logs": "/state/logs"}


# Redis

HOST = {"address": REDIS, "retry": object()}
SENTINEL_HOST = {
    "sentinels": [("10.0.0.9", 26379), ("redis.example", 26380)],
    "master_name": "main",
    "db": 2,
    "password": "p@w",
    "sentinel_kwargs": {"password": "p@w"},
}


@pytest.mark.parametrize(
    ("own", "url", "hosts"),
    [
        (layer(CORE, hosts=[("localhost", 6379)]), REDIS, [{"address": REDIS, **CORE_OPTIONS}]),
        (layer(PUBSUB, hosts=["redis://a", "redis://b"]), "rediss://:p@b/2", ["rediss://:p@b/2"]),
        # The project reads REDIS_URL itself, and keeps its options.
        (
            layer(CORE, hosts=[{**HOST, "socket_timeout": 60}]),
            REDIS,
            [{**CORE_OPTIONS, **HOST, "socket_timeout": 60}],
        ),
        (layer(PUBSUB, hosts=[{**HOST, "address": "redis://a"}]), REDIS, [REDIS]),
        # Another kind of layer stays as it is.
        (layer("channels_rabbitmq.L", hosts=["a"]), SENTINELS, ["a"]),
        # Sentinels
        (layer(CORE), SENTINELS, [{**SENTINEL_HOST, **CORE_OPTIONS}]),
    ],
)
def test_channel_layers_use_the_given_redis(
    changed: Changed, own: Values, url: str, hosts: list[object]
) -> None:
    config = {**own.get("CONFIG", {}), "prefix": "shop", "symmetric_encryption_keys": ["k"]}
    own = {**own, "CONFIG": config}
    layers = {"default": own, "second": own}
    expected = {**own, "CONFIG": {**config, "hosts": hosts}}
    found = changed({"CHANNEL_LAYERS": layers}, REDIS_URL=url)
    assert {"CHANNEL_LAYERS": layers} | found == {
        "CHANNEL_LAYERS": {"default": expected, "second": expected}
    }


def test_channels_redis_3_gets_an_address_only(
    changed: Changed, production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = {"default": layer(CORE)}
    for version, host in (("3.4.1", REDIS), ("10.0", {"address": REDIS, **CORE_OPTIONS})):
        monkeypatch.setattr(production, "version", lambda _package, found=version: found)
        found = changed({"CHANNEL_LAYERS": layers}, REDIS_URL=REDIS)
        assert found["CHANNEL_LAYERS"] == {"default": layer(CORE, hosts=[host])}


@pytest.mark.parametrize("backend", REDIS_CACHES)
def test_caches_on_redis_use_the_given_redis(changed: Changed, backend: str) -> None:
    own = {"BACKEND": backend, "LOCATION": ["redis://a/1", "redis://b"], "KEY_PREFIX": "shop"}
    others = {"local": {"BACKEND": LOCMEM}, "own": {"BACKEND": "shop.cache.RedisCache"}}
    found = changed({"CACHES": {"default": own, **others}}, REDIS_URL="redis://b")
    assert found == {"CACHES": {"default": {**own, "LOCATION": "redis://b/1"}, **others}}


@pytest.mark.parametrize(
    ("own", "url", "expected"),
    [
        ("rediss://a", REDIS, REDIS),
        ("redis://a", "unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
        ("redis://a/1", "unix:///r?a=b", "redis+socket:///r?a=b&virtual_host=1"),
        ("amqp://a", SENTINELS, "amqp://a"),
        (None, REDIS, None),
    ],
)
def test_celery_on_redis_uses_the_given_redis(
    changed: Changed, own: str | None, url: str, expected: str | None
) -> None:
    project = dict.fromkeys(CELERY, own)
    assert project | changed(project, REDIS_URL=url) == dict.fromkeys(CELERY, expected)


@pytest.mark.parametrize(
    ("own", "url", "expected"),
    [
        ("redis://a/1", "redis://b:6379", "redis://b:6379/1"),
        ("rediss://:pw@a:6380/2?ssl_cert_reqs=none", "redis://b", "redis://b/2"),
        ("redis://a?db=3", "rediss://b?ssl_cert_reqs=none", "rediss://b/3?ssl_cert_reqs=none"),
        ("redis://a/1", "unix:///run/r.sock", "unix:///run/r.sock?db=1"),
        ("redis://a/1", "unix://u@/run/r.sock?password=x", "unix://u@/run/r.sock?password=x&db=1"),
        (["redis://a/1", "redis://b/2"], "redis://c", "redis://c/1"),
        ({"host": "a", "db": 5}, "redis://c", "redis://c/5"),
        # The number in REDIS_URL has precedence.
        ("redis://a/1", "redis://b/0", "redis://b/0"),
        # The project has no number.
        ("redis://a", "redis://b", "redis://b"),
        (("a", 6379), "redis://b", "redis://b"),
    ],
)
def test_database_number_of_the_project_is_kept(
    production: Any, own: Any, url: str, expected: str
) -> None:
    assert production.with_database(url, production.database_number(own)) == expected


def test_sentinels_are_refused_for_caches_and_celery(changed: Changed) -> None:
    caches = {"a": {"BACKEND": REDIS_CACHES[0]}}
    users = r"CACHES\['a'\] and CELERY_BROKER_URL can't"
    with pytest.raises(ImproperlyConfigured, match=f"names Sentinels, which {users}") as error:
        changed({"CACHES": caches, "CELERY_BROKER_URL": "redis://a"}, REDIS_URL=SENTINELS)
    assert "p%40w" not in str(error.value)


# The kind of channel layer

KINDS = {"pubsub": PUBSUB, "core": CORE, "memory": MEMORY}
SHARED = {"hosts": ["redis://a/0"], "prefix": "shop", "symmetric_encryption_keys": ["k"]}
CORE_LAYER = layer(CORE, **SHARED, expiry=5, capacity=7)
RABBIT_LAYER = layer("channels_rabbitmq.core.RabbitmqChannelLayer", host="amqp://a")


@pytest.mark.parametrize(
    ("kind", "own", "expected"),
    [
        ("project", CORE_LAYER, CORE_LAYER),
        ("core", CORE_LAYER, CORE_LAYER),
        ("pubsub", CORE_LAYER, layer(PUBSUB, **SHARED)),
        ("memory", CORE_LAYER, {"BACKEND": MEMORY}),
        ("core", {"BACKEND": MEMORY}, layer(CORE)),
        ("pubsub", RABBIT_LAYER, layer(PUBSUB)),
    ],
)
def test_channel_layer_sets_the_kind(
    changed: Changed, kind: str, own: Values, expected: Values
) -> None:
    layers = {"CHANNEL_LAYERS": {"default": own, "second": own}}
    found = layers | changed(layers, LAUREL_CHANNEL_LAYER=kind)
    assert found == {"CHANNEL_LAYERS": {"default": expected, "second": expected}}


@pytest.mark.parametrize("kind", KINDS)
def test_project_without_layers_gets_one(changed: Changed, kind: str) -> None:
    layers = {"default": {"BACKEND": KINDS[kind]}}
    found = changed({}, LAUREL_CHANNEL_LAYER=kind)["CHANNEL_LAYERS"]
    assert {alias: {"BACKEND": own["BACKEND"]} for alias, own in found.items()} == layers
    assert import_string(KINDS[kind])()


def test_redis_layer_needs_channels_redis(
    changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    message = "CHANNEL_LAYER=core: add channels-redis to the requirements"
    with pytest.raises(ImproperlyConfigured, match=message):
        changed({}, LAUREL_CHANNEL_LAYER="core")


# Logs


@pytest.mark.parametrize(
    "handler",
    [
        {"class": "logging.handlers.RotatingFileHandler", "maxBytes": 1},
        {"()": "shop.log.OwnFileHandler"},
        {"class": logging.FileHandler},
    ],
)
def test_file_handlers_write_to_stdout(production: Any, handler: Values) -> None:
    screen = {"class": "logging.StreamHandler", "stream": sys.stderr}
    kept = {"level": "ERROR", "filters": ["no_secrets"], "formatter": "short"}
    file = {**handler, **kept, "filename": "/nonexistent/a"}
    own = {"handlers": {"screen": screen, "file": file}, "root": {"handlers": ["file"]}}
    values, _ = production.overrides({"LOGGING": own}, {})
    expected = {"screen": screen, "file": {**STDOUT, **kept}}
    assert values["LOGGING"] == {**own, "handlers": expected}


@pytest.mark.parametrize(
    "project",
    [
        {"LOGGING": {"root": {"handlers": ["own"], "level": "WARNING"}}},
        {"LOGGING": {"loggers": {"root": {"handlers": ["own"]}}}},
        {"LOGGING_CONFIG": None, "LOGGING": {"handlers": {"f": {"class": "logging.FileHandler"}}}},
        {"LOGGING_CONFIG": "logging.config.fileConfig", "LOGGING": "/app/logging.ini"},
        {"LOGGING": {"version": 1, "incremental": True, "loggers": {"shop": {"level": "INFO"}}}},
    ],
)
def test_logging_that_works_on_the_machine_stays(production: Any, project: Values) -> None:
    logging_config = project["LOGGING"]
    if isinstance(logging_config, dict):
        mail = {"class": "django.utils.log.AdminEmailHandler"}
        logging_config = {"handlers": {"own": mail}, **logging_config}
    values, _ = production.overrides({**project, "LOGGING": logging_config}, {"LOG_LEVEL": "ERROR"})
    assert "LOGGING" not in values


# Reasons, and what is printed


def test_each_override_has_its_reason(production: Any) -> None:
    layers = {"default": layer(CORE, hosts=["redis://a"])}
    project = {"DEBUG": True, "CHANNEL_LAYERS": layers, "CELERY_BROKER_URL": "redis://a"}
    environment = {"LAUREL_CHANNEL_LAYER": "pubsub", "REDIS_URL": REDIS, "ALLOWED_HOSTS": "a"}
    values, reasons = production.overrides(project, environment)
    assert reasons == (
        ("DEBUG", "DEBUG, false by default"),
        ("ALLOWED_HOSTS", "ALLOWED_HOSTS"),
        ("SECURE_PROXY_SSL_HEADER", "nginx in front"),
        ("CHANNEL_LAYERS", "CHANNEL_LAYER, REDIS_URL"),
        ("CELERY_BROKER_URL", "REDIS_URL"),
        ("LOGGING", "logs go to stdout"),
    )
    assert production.overrides({**project, **values}, environment) == ({}, ())


@pytest.mark.parametrize(
    "value",
    [
        {"OPTIONS": {"passwd": "hunter2", "sslkey": "hunter2"}},
        [({"a": [{"api_token": ("hunter2",)}]},)],
        {b"Secret": "hunter2"},
        {"hunter": {1: {"MyKey": {"hunter2"}}}},
        b"redis://:hunter2@host:6379/0",
        {"redis://:hunter2@host": 1},
        "redis://:hunter2@a;redis://:hunter2@b",
        "postgres://u:p/hunter2@db",
        "postgres://u:p hunter2\n@db",
        "postgres://u:p&key=hunter2@db",
        "host=db password='p hunter2'",
        type("Client", (), {"__repr__": lambda _self: "Client('hunter2')"})(),
    ],
)
def test_secrets_are_masked_at_any_depth(production: Any, value: object) -> None:
    assert production.shown("EMAIL_PASSWORD", value) == "********"
    text = production.shown("DATABASES", {"default": [value]})
    assert "hunter2" not in text
    assert "\n" not in text


def test_other_values_are_shown(production: Any) -> None:
    value = {
        "PORT": 5432,
        "OPTIONS": {"timeout": 2.5, "on": True, "none": None},
        "hosts": [("10.0.0.9", 6379), "rediss://host:6380/2", "redis://u:pw@host:6379/0"],
        "NAME": Path("/var/lib/site/db"),
        "text": "a\nb",
        "retry": object(),
    }
    assert production.shown("X", value) == (
        "{'PORT': 5432, 'OPTIONS': {'timeout': 2.5, 'on': True, 'none': None},"
        " 'hosts': [['10.0.0.9', 6379], 'rediss://host:6380/2', 'redis://u:********@host:6379/0'],"
        " 'NAME': '/var/lib/site/db', 'text': 'a\\nb', 'retry': <object>}"
    )
