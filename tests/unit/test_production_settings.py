"""A project's own settings, and what a machine's environment makes of them."""

import importlib.util
import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from project.overrides import OFF_WITHOUT_TLS

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
MEMORY = "channels.layers.InMemoryChannelLayer"
SQLITE = "django.db.backends.sqlite3"
POSTGRES = "django.db.backends.postgresql"
STDOUT = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
REDIS = "redis://10.0.0.9:6379/0"
SENTINELS = "redis+sentinel://:p%40w@10.0.0.9,redis.example:26380/main/2"

# Stands in for the package: what it was called with is what it returns.
DATABASE_PARSER = """
def parse(url, engine=None, conn_max_age=0):
    return {"ENGINE": "django.db.backends.postgresql", "NAME": url, "FROM": "FOLDER",
            "CONN_MAX_AGE": conn_max_age, "CONN_HEALTH_CHECKS": False}
"""

AskDjango = "import json; from django.conf import settings; print(json.dumps({expression}))"


class Project:
    """A project in a folder of the test, and a machine's environment around it."""

    def __init__(self, folder: Path, production: Path) -> None:
        self.folder = folder
        self.production = production
        (folder / "shop").mkdir()
        self.write("")

    def write(self, text: str, name: str = "shop/settings.py") -> None:
        (self.folder / name).write_text(text)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python on the machine; an empty variable is one that is not set."""
        machine = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.production),
            "DJANGO_SETTINGS_MODULE": "laurel_production",
            "LAUREL_SETTINGS_MODULE": "shop.settings",
            **environment,
        }
        return subprocess.run(
            [sys.executable, "-B", *arguments],
            cwd=self.folder,
            env={name: value for name, value in machine.items() if value},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def ask(self, expression: str, **environment: str) -> Any:
        """The value of an expression with Django's `settings`."""
        ran = self.run("-c", AskDjango.format(expression=expression), **environment)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def printed(self, **environment: str) -> dict[str, str]:
        """What the operator's command prints, by the setting's name."""
        ran = self.run("-m", "laurel_production", **environment)
        assert ran.returncode == 0, ran.stderr
        lines = (line.partition(" = ") for line in ran.stdout.splitlines())
        return {name: rest for name, _, rest in lines}


@pytest.fixture
def project(top: Path, tmp_path: Path) -> Project:
    """A project whose settings are empty, for now."""
    return Project(tmp_path, top / "provision" / "production")


@pytest.fixture
def database_parser(monkeypatch: pytest.MonkeyPatch, production: Any) -> Callable[[Path], None]:
    """Installs a dj_database_url into a folder."""
    monkeypatch.setitem(sys.modules, "dj_database_url", sys)  # so that it is put back in the end
    del sys.modules["dj_database_url"]
    monkeypatch.setattr(production, "library", "/nonexistent")

    def install(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        text = DATABASE_PARSER.replace("FOLDER", folder.name)
        (folder / "dj_database_url.py").write_text(text)
        importlib.invalidate_caches()

    return install


# The project's own


def test_settings_of_the_project_are_those_of_the_site(project: Project) -> None:
    project.write(
        "from pathlib import Path\nBASE_DIR = Path('/srv')\nTIME_ZONE = 'Asia/Tokyo'\n"
        "OWN = {'a': [1]}\nhelper = 1\n_hidden = 2\nMixed = 3\n"
    )
    names = ("BASE_DIR", "TIME_ZONE", "OWN", "helper", "Mixed")
    asked = ", ".join(f"str(getattr(settings, {name!r}, None))" for name in names)
    assert project.ask(f"[{asked}]") == ["/srv", "Asia/Tokyo", "{'a': [1]}", "None", "None"]


def test_nothing_but_the_project_and_the_overrides_becomes_a_setting(project: Project) -> None:
    project.write("OWN = 1\n")
    names = project.ask("[n for n in dir(__import__('laurel_production')) if n.isupper()]")
    assert sorted(names) == ["LAUREL_OVERRIDES", "LOGGING", "OWN", "SECURE_PROXY_SSL_HEADER"]


def test_a_machine_without_a_settings_module_is_told_what_to_set(project: Project) -> None:
    ran = project.run("-c", "import laurel_production", LAUREL_SETTINGS_MODULE="")
    assert "ImproperlyConfigured: LAUREL_SETTINGS_MODULE is not set: give it" in ran.stderr


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("shop.setings", "shop.setings"),
        ("shp.settings", "shp"),
        ("shop.settings.live", "shop.settings.live"),
        ("shop/settings.py", "shop/settings"),
    ],
)
def test_a_settings_module_that_is_missing_is_named(
    project: Project, name: str, missing: str
) -> None:
    ran = project.run("-c", "import laurel_production", LAUREL_SETTINGS_MODULE=name)
    assert f"ImproperlyConfigured: LAUREL_SETTINGS_MODULE={name}: " in ran.stderr
    assert f"there is no module {missing} in" in ran.stderr


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("import sho", "ModuleNotFoundError: No module named 'sho'"),
        ("import shop.extra", "ModuleNotFoundError: No module named 'shop.extra'"),
        ("from .base import *", "ModuleNotFoundError: No module named 'shop.base'"),
        ("from shop import base", "ImportError: cannot import name 'base'"),
        ("raise ModuleNotFoundError('by hand')", "ModuleNotFoundError: by hand"),
        ("import os; os.environ['STRIPE']", "KeyError: 'STRIPE'"),
    ],
)
def test_an_error_inside_of_the_projects_settings_names_their_line(
    project: Project, text: str, error: str
) -> None:
    project.write(f"TIME_ZONE = 'UTC'\n{text}\n")
    ran = project.run("-c", "import laurel_production")
    assert ran.stderr.splitlines()[-1].startswith(error)
    assert 'shop/settings.py", line 2' in ran.stderr
    assert "ImproperlyConfigured" not in ran.stderr


def test_settings_stay_the_projects_where_no_variable_says_otherwise(production: Any) -> None:
    theirs = {
        "SECRET_KEY": "theirs",
        "ALLOWED_HOSTS": ["*", "a.example"],
        "CSRF_TRUSTED_ORIGINS": ["https://a.example"],
        "STATIC_ROOT": "/theirs",
        "MEDIA_ROOT": "/theirs",
        "SECURE_SSL_REDIRECT": True,
        "USE_X_FORWARDED_HOST": True,
        "DATABASES": {"default": {"ENGINE": SQLITE, "NAME": "/app/db.sqlite3"}},
        "CHANNEL_LAYERS": {"default": {"BACKEND": CORE, "CONFIG": {"hosts": ["redis://a"]}}},
        "CACHES": {"default": {"BACKEND": "redis_cache.RedisCache", "LOCATION": "redis://a"}},
        "CELERY_BROKER_URL": "redis://a",
        "STORAGES": {"staticfiles": {"BACKEND": "theirs"}},
    }
    values, reasons = production.overrides(theirs, {})
    assert set(values) == {"SECURE_PROXY_SSL_HEADER", "LOGGING"}
    assert [name for name, _ in reasons] == ["SECURE_PROXY_SSL_HEADER", "LOGGING"]


def test_an_empty_variable_says_nothing(production: Any) -> None:
    names = [*EVERYTHING, "DEBUG", "LOG_LEVEL"]
    theirs = {
        "SECRET_KEY": "theirs",
        "MEDIA_ROOT": "/theirs",
        "SESSION_COOKIE_SECURE": True,
        "DATABASES": {"default": {"ENGINE": SQLITE, "NAME": "/app/db.sqlite3"}},
        "CELERY_BROKER_URL": "redis://a",
    }
    empty = {name: "" for name in names if name != "ALLOWED_HOSTS"}
    assert production.overrides(theirs, empty) == production.overrides(theirs, {})
    assert set(production.overrides(theirs, empty)[0]) == {"SECURE_PROXY_SSL_HEADER", "LOGGING"}


# Plain values


@pytest.mark.parametrize("name", ["SECRET_KEY", "STATIC_ROOT", "MEDIA_ROOT"])
def test_a_value_is_taken_as_it_is(project: Project, name: str) -> None:
    project.write(f"from pathlib import Path\n{name} = Path('/theirs')\n")
    value = "/srv/site/a,b $c 'd'"
    assert project.ask(f"settings.{name}", **{name: value}) == value
    assert project.printed(**{name: value})[name].endswith(f"  <- {name}")


def test_a_folder_that_is_theirs_already_is_no_override(production: Any) -> None:
    own = {"STATIC_ROOT": Path("/srv/static"), "MEDIA_ROOT": "/srv/media"}
    said = {"STATIC_ROOT": "/srv/static", "MEDIA_ROOT": "/srv/media"}
    assert not {"STATIC_ROOT", "MEDIA_ROOT"} & set(production.overrides(own, said)[0])


@pytest.mark.parametrize("theirs", ["DEBUG = True", "DEBUG = 'False'", "DEBUG = False", ""])
@pytest.mark.parametrize(
    ("said", "meant"), [("true", True), ("True", False), ("1", False), ("no", False), ("", False)]
)
def test_errors_show_their_source_only_where_the_machine_says_so(
    production: Any, theirs: str, said: str, meant: bool
) -> None:
    own: dict[str, Any] = {}
    exec(theirs, own)  # noqa: S102
    values, _ = production.overrides(own, {"DEBUG": said})
    assert {"DEBUG": False, **own, **values}["DEBUG"] is meant


def test_a_forgotten_debug_is_off_without_a_variable(project: Project) -> None:
    project.write("DEBUG = True\n")
    assert project.ask("settings.DEBUG") is False
    assert project.printed()["DEBUG"] == "False  <- DEBUG, false by default"
    assert project.ask("settings.DEBUG", DEBUG="true") is True
    assert "DEBUG" not in project.printed(DEBUG="true")


@pytest.mark.parametrize(
    ("theirs", "said", "meant"),
    [
        (["*"], "b.example,10.0.0.7", ["b.example", "10.0.0.7"]),
        (("a.example", "*"), "b.example, c.example", ["b.example", "c.example", "a.example"]),
        (["a.example", "b.example"], "b.example,b.example", ["b.example", "a.example"]),
        (["*"], "*,[::1]", ["[::1]"]),
        (["*"], "", []),
        ([], "a.example", ["a.example"]),
    ],
)
def test_the_site_answers_to_the_machines_names_and_never_to_every_name(
    production: Any, theirs: list[str], said: str, meant: list[str]
) -> None:
    found = production.allowed_hosts({"ALLOWED_HOSTS": theirs}, {"ALLOWED_HOSTS": said})
    assert found == {"ALLOWED_HOSTS": meant}
    assert production.allowed_hosts({"ALLOWED_HOSTS": theirs}, {}) == {}


@pytest.mark.parametrize(
    ("version", "meant"),
    [
        ((4, 0), ["https://a.example", "https://*.b.example:8443", "http://c.example"]),
        ((5, 2), ["https://a.example", "https://*.b.example:8443", "http://c.example"]),
        ((3, 2), ["https://a.example", "a.example", ".b.example:8443", "c.example"]),
    ],
)
def test_trusted_origins_are_added_in_the_form_that_this_django_reads(
    production: Any, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], meant: list[str]
) -> None:
    monkeypatch.setattr(production.django, "VERSION", (*version, 1, "final", 0))
    said = "https://a.example, https://*.b.example:8443,http://c.example"
    found = production.csrf_trusted_origins(
        {"CSRF_TRUSTED_ORIGINS": ["https://a.example"]}, {"CSRF_TRUSTED_ORIGINS": said}
    )
    assert found == {"CSRF_TRUSTED_ORIGINS": meant}


# TLS in front


def test_what_is_told_before_a_bake_is_what_is_switched_off(production: Any) -> None:
    assert set(OFF_WITHOUT_TLS) == set(production.off_without_tls)


def test_the_scheme_that_nginx_tells_is_believed_and_its_host_header_is_theirs(
    project: Project,
) -> None:
    header = ["HTTP_X_FORWARDED_PROTO", "https"]
    for theirs in ("", "SECURE_PROXY_SSL_HEADER = ('HTTP_X_SSL', 'on')\n"):
        project.write(f"{theirs}USE_X_FORWARDED_HOST = True\n")
        found = project.ask("[settings.SECURE_PROXY_SSL_HEADER, settings.USE_X_FORWARDED_HOST]")
        assert found == [header, True]
    assert project.printed()["SECURE_PROXY_SSL_HEADER"].endswith("  <- nginx in front")


HTTPS_ONLY = {
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 3600,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "LANGUAGE_COOKIE_SECURE": True,
}


def test_one_can_log_in_to_a_machine_that_plain_http_reaches(production: Any) -> None:
    values, reasons = production.overrides(HTTPS_ONLY, {"TLS_IN_FRONT": "no"})
    assert {name: values[name] for name in HTTPS_ONLY} == {
        "SECURE_SSL_REDIRECT": False,
        "SECURE_HSTS_SECONDS": 0,
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
        "LANGUAGE_COOKIE_SECURE": False,
    }
    assert {dict(reasons)[name] for name in HTTPS_ONLY} == {"TLS_IN_FRONT"}


def test_what_is_off_in_the_project_is_no_override_of_plain_http(production: Any) -> None:
    theirs = {"SECURE_SSL_REDIRECT": False, "CSRF_COOKIE_SECURE": True}
    assert production.tls_in_front(theirs, {"TLS_IN_FRONT": "no"}) == {"CSRF_COOKIE_SECURE": False}


@pytest.mark.parametrize("environment", [{}, {"TLS_IN_FRONT": "yes"}])
def test_https_stays_as_the_project_has_it_behind_tls(
    production: Any, environment: dict[str, str]
) -> None:
    assert production.tls_in_front(HTTPS_ONLY, environment) == {}


@pytest.mark.parametrize("said", ["No", "false", "maybe"])
def test_an_unknown_word_about_tls_is_refused_with_those_that_are_known(
    project: Project, said: str
) -> None:
    ran = project.run("-c", "import laurel_production", TLS_IN_FRONT=said)
    expected = f"ImproperlyConfigured: TLS_IN_FRONT={said}: it may be yes or no"
    assert ran.stderr.splitlines()[-1].endswith(expected)


# Databases


def test_a_database_url_takes_the_place_of_the_default_database(
    production: Any, tmp_path: Path, database_parser: Callable[[Path], None]
) -> None:
    database_parser(tmp_path)
    other = {"ENGINE": "django.db.backends.mysql", "NAME": "other"}
    own = {"ENGINE": SQLITE, "NAME": "/app/db.sqlite3", "OPTIONS": {"timeout": 20}}
    for kept in (
        {},
        {"CONN_MAX_AGE": 60, "ATOMIC_REQUESTS": True, "CONN_HEALTH_CHECKS": True},
        {"CONN_MAX_AGE": None},
    ):
        found = production.database_url(
            {"DATABASES": {"default": {**own, **kept}, "other": other}},
            {"DATABASE_URL": "postgres://u:p@db/site"},
        )
        assert found["DATABASES"] == {
            "default": {
                "ENGINE": POSTGRES,
                "NAME": "postgres://u:p@db/site",
                "FROM": tmp_path.name,
                "CONN_MAX_AGE": 0,
                "CONN_HEALTH_CHECKS": False,
                **kept,
            },
            "other": other,
        }


def test_a_database_url_is_enough_for_a_project_that_names_no_database(
    production: Any, tmp_path: Path, database_parser: Callable[[Path], None]
) -> None:
    database_parser(tmp_path)
    values, reasons = production.overrides({}, {"DATABASE_URL": "postgres://db/site"})
    assert values["DATABASES"]["default"]["NAME"] == "postgres://db/site"
    assert ("DATABASES", "DATABASE_URL") in reasons


def test_a_project_that_reads_the_database_url_itself_keeps_what_it_made_of_it(
    production: Any, tmp_path: Path, database_parser: Callable[[Path], None]
) -> None:
    database_parser(tmp_path)
    own = {"ENGINE": POSTGRES, "NAME": "postgres://db", "HOST": "", "OPTIONS": {"pool": True}}
    values, _ = production.overrides(
        {"DATABASES": {"default": own}}, {"DATABASE_URL": "postgres://db"}
    )
    assert "DATABASES" not in values
    changed = {**own, "PASSWORD": "another"}
    values, _ = production.overrides(
        {"DATABASES": {"default": changed}}, {"DATABASE_URL": "postgres://db"}
    )
    assert "DATABASES" in values


@pytest.mark.parametrize(
    ("installed", "used"), [(("own", "laurel"), "own"), (("laurel",), "laurel")]
)
def test_the_projects_own_reader_of_database_urls_comes_first(
    production: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_parser: Callable[[Path], None],
    installed: tuple[str, ...],
    used: str,
) -> None:
    monkeypatch.setattr(production, "library", str(tmp_path / "laurel"))
    others = [path for path in sys.path if not (Path(path) / "dj_database_url").exists()]
    monkeypatch.setattr(sys, "path", [str(tmp_path / "own"), *others])
    for folder in installed:
        database_parser(tmp_path / folder)
    found = production.database_url({}, {"DATABASE_URL": "postgres://db"})
    assert found["DATABASES"]["default"]["FROM"] == used


def test_no_reader_of_database_urls_is_needed_without_one(project: Project) -> None:
    project.write("raise ImportError('not needed')\n", "dj_database_url.py")
    assert project.ask("1") == 1
    ran = project.run("-c", "import laurel_production", DATABASE_URL="postgres://db")
    assert "ImportError: not needed" in ran.stderr


def moved(production: Any, databases: dict[str, Any], **environment: str) -> dict[str, Any]:
    values, _ = production.overrides(
        {"DATABASES": databases}, {"STATE_DIR": "/var/lib/site", **environment}
    )
    found: dict[str, Any] = values.get("DATABASES", databases)
    return {alias: database["NAME"] for alias, database in found.items()}


def sqlite(name: object, engine: str = SQLITE) -> dict[str, Any]:
    return {"ENGINE": engine, "NAME": name}


@pytest.mark.parametrize(
    "engine",
    [
        SQLITE,
        "django_prometheus.db.backends.sqlite3",
        "django.contrib.gis.db.backends.spatialite",
    ],
)
@pytest.mark.parametrize("name", ["/app/site.db", Path("/app/site.db"), "site.db"])
def test_a_database_in_the_release_moves_to_the_state_folder(
    production: Any, engine: str, name: object
) -> None:
    databases = {"default": sqlite(name, engine)}
    assert moved(production, databases) == {"default": "/var/lib/site/site.db"}


def test_what_else_is_said_of_a_moved_database_stays(production: Any) -> None:
    own = {**sqlite("/app/db.sqlite3"), "OPTIONS": {"timeout": 20}, "ATOMIC_REQUESTS": True}
    found = production.state_dir({"DATABASES": {"default": own}}, {"STATE_DIR": "/state"})
    options = {"timeout": 20, "init_command": "PRAGMA synchronous=EXTRA;"}
    assert found["DATABASES"]["default"] == {
        **own,
        "NAME": "/state/db.sqlite3",
        "OPTIONS": options,
    }


def test_a_database_in_the_state_folder_stays_there(production: Any) -> None:
    name = Path("/var/lib/site/deep/db.sqlite3")
    assert moved(production, {"default": sqlite(name)}) == {"default": name}


@pytest.mark.parametrize(
    ("theirs", "level"),
    [("", 3), ("PRAGMA journal_mode=WAL", 3), ("pragma Synchronous=NORMAL", 1)],
)
def test_what_is_committed_survives_a_power_cut_unless_they_chose_otherwise(
    project: Project, tmp_path: Path, theirs: str, level: int
) -> None:
    options = {"init_command": theirs} if theirs else {}
    database = {**sqlite("site.db"), "OPTIONS": options}
    project.write(f"DATABASES = {{'default': {database}}}\n")
    asked = "(lambda c: (c.execute('PRAGMA synchronous'), c.fetchone()))(connection.cursor())[1]"
    connected = asked.replace("connection", "__import__('django.db').db.connection")
    assert project.ask(connected, STATE_DIR=str(tmp_path)) == [level]


def test_an_older_django_knows_no_command_to_begin_with(
    production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production.django, "VERSION", (4, 2, 30, "final", 0))
    databases = {"default": sqlite("/state/db.sqlite3")}
    found = production.state_dir({"DATABASES": databases}, {"STATE_DIR": "/state"})
    assert found == {"DATABASES": databases}


@pytest.mark.parametrize(
    "database",
    [
        sqlite(":memory:"),
        sqlite("file:shared?mode=memory&cache=shared"),
        sqlite(""),
        {"ENGINE": SQLITE},
        {
            **sqlite("/var/lib/site/db.sqlite3"),
            "OPTIONS": {"init_command": "PRAGMA synchronous=EXTRA"},
        },
        sqlite("site", POSTGRES),
    ],
)
def test_a_database_that_is_no_file_of_the_release_stays(
    production: Any, database: dict[str, Any]
) -> None:
    values, _ = production.overrides(
        {"DATABASES": {"default": database}}, {"STATE_DIR": "/var/lib/site"}
    )
    assert "DATABASES" not in values


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (
            {"default": "/a/db", "logs": "/b/db", "more": "/c/db"},
            {"default": "db", "logs": "logs-db", "more": "more-db"},
        ),
        # The one that is there already, whichever comes first.
        ({"default": "/a/db", "logs": "/var/lib/site/db"}, {"default": "default-db", "logs": "db"}),
        # The second name is taken, too.
        (
            {"a": "/1/x-db", "b": "/2/db", "x": "/3/db"},
            {"a": "x-db", "b": "db", "x": "x-x-db"},
        ),
        # One file under two aliases stays one.
        ({"default": "/a/db", "copy": "/a/db"}, {"default": "db", "copy": "db"}),
    ],
)
def test_databases_of_one_file_name_do_not_become_one(
    production: Any, names: dict[str, str], places: dict[str, str]
) -> None:
    databases = {alias: sqlite(name) for alias, name in names.items()}
    expected = {alias: f"/var/lib/site/{name}" for alias, name in places.items()}
    assert moved(production, databases) == expected


def test_with_a_database_url_the_other_databases_move_all_the_same(
    production: Any, tmp_path: Path, database_parser: Callable[[Path], None]
) -> None:
    database_parser(tmp_path)
    text = (tmp_path / "dj_database_url.py").read_text().replace(POSTGRES, SQLITE)
    (tmp_path / "dj_database_url.py").write_text(text)
    databases = {"default": sqlite("/app/db"), "logs": sqlite("/app/logs")}
    # The operator's own path is taken as it is.
    assert moved(production, databases, DATABASE_URL="/mnt/db") == {
        "default": "/mnt/db",
        "logs": "/var/lib/site/logs",
    }


# Redis


# What redis-py gets wrong for RedisChannelLayer: idle websockets that die, and many that close.
MENDED = {"socket_timeout": None, "max_connections": 10_000}


def layer(backend: str, **config: Any) -> dict[str, Any]:
    return {"BACKEND": backend, "CONFIG": config}


def layers(production: Any, url: str = REDIS, **own: dict[str, Any]) -> dict[str, Any]:
    values, _ = production.overrides({"CHANNEL_LAYERS": own}, {"REDIS_URL": url})
    found: dict[str, Any] = values.get("CHANNEL_LAYERS", own)
    return found


@pytest.mark.parametrize(
    "url", [REDIS, "rediss://:pw@redis.example:6380/2", "unix:///run/redis.sock?db=1"]
)
def test_channel_layers_use_the_machines_redis(production: Any, url: str) -> None:
    found = layers(
        production,
        url,
        default=layer(CORE, hosts=[("localhost", 6379)], prefix="shop", expiry=5),
        second=layer(PUBSUB, hosts=["redis://a", "redis://b"], symmetric_encryption_keys=["k"]),
        third={"BACKEND": CORE},
    )
    host = {"address": url, **MENDED}
    assert found == {
        "default": layer(CORE, hosts=[host], prefix="shop", expiry=5),
        "second": layer(PUBSUB, hosts=[url], symmetric_encryption_keys=["k"]),
        "third": layer(CORE, hosts=[host]),
    }


def test_the_layer_that_is_made_of_it_can_be_built(production: Any) -> None:
    from channels_redis.core import RedisChannelLayer

    found = layers(production, default=layer(CORE, hosts=[("localhost", 6379)], capacity=7))
    built = RedisChannelLayer(**found["default"]["CONFIG"])
    pool = built.create_pool(0)
    kwargs = pool.connection_kwargs
    assert (kwargs["host"], kwargs["socket_timeout"], built.capacity) == ("10.0.0.9", None, 7)
    assert pool.max_connections == 10_000


def test_a_layer_of_the_time_before_redis_py_gets_an_address_alone(
    production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last one of aioredis, as of channels 3.
    monkeypatch.setattr(production, "version", lambda _package: "3.4.1")
    assert layers(production, default=layer(CORE)) == {"default": layer(CORE, hosts=[REDIS])}
    monkeypatch.setattr(production, "version", lambda _package: "10.0")
    host = {"address": REDIS, **MENDED}
    assert layers(production, default=layer(CORE)) == {"default": layer(CORE, hosts=[host])}


def test_a_project_that_reads_the_redis_url_itself_keeps_its_options(production: Any) -> None:
    host = {"address": REDIS, "retry": object()}
    found = layers(
        production, default=layer(CORE, hosts=[host]), pubsub=layer(PUBSUB, hosts=[host])
    )
    assert found["default"]["CONFIG"]["hosts"] == [{**MENDED, **host}]
    assert found["pubsub"]["CONFIG"]["hosts"] == [host]
    own = {**host, "socket_timeout": 60, "max_connections": 500}
    found = layers(production, default=layer(CORE, hosts=[own]))
    assert found["default"]["CONFIG"]["hosts"] == [own]
    elsewhere = {**host, "address": "redis://a"}
    found = layers(production, pubsub=layer(PUBSUB, hosts=[elsewhere]))
    assert found["pubsub"]["CONFIG"]["hosts"] == [REDIS]


@pytest.mark.parametrize(
    "backend", [MEMORY, "shop.layers.RedisChannelLayer", "channels_rabbitmq.L"]
)
def test_a_layer_of_another_kind_is_left_alone(production: Any, backend: str) -> None:
    values, _ = production.overrides(
        {"CHANNEL_LAYERS": {"default": layer(backend, hosts=["a"])}}, {"REDIS_URL": REDIS}
    )
    assert "CHANNEL_LAYERS" not in values


# The channel layer that the machine chooses


KINDS = {"pubsub": PUBSUB, "core": CORE, "memory": MEMORY}
OF_REDIS = {"hosts": [("localhost", 6379)], "prefix": "shop", "symmetric_encryption_keys": ["k"]}
LAYERS_OF_PROJECTS = {
    "core": layer(CORE, **OF_REDIS, expiry=5, capacity=7, group_expiry=60),
    "pubsub": layer(PUBSUB, **OF_REDIS),
    "memory": layer(MEMORY, capacity=7),
    "theirs": layer("shop.layers.RedisChannelLayer", **OF_REDIS),
    "rabbit": layer("channels_rabbitmq.core.RabbitmqChannelLayer", host="amqp://a"),
    "bare": {"BACKEND": CORE},
}


# Of those, what any layer on Redis takes.
TAKEN_BY_ALL = {"prefix": "shop", "symmetric_encryption_keys": ["k"]}
HOSTS = {"core": [{"address": REDIS, **MENDED}], "pubsub": [REDIS]}


def chosen(production: Any, kind: str, **own: dict[str, Any]) -> Any:
    """The layers of a project with CHANNEL_LAYER=`kind`, and why they are others."""
    said = {"LAUREL_CHANNEL_LAYER": kind, "REDIS_URL": REDIS}
    values, reasons = production.overrides({"CHANNEL_LAYERS": own}, said)
    return values.get("CHANNEL_LAYERS", own), dict(reasons).get("CHANNEL_LAYERS")


@pytest.mark.parametrize("kind", ["pubsub", "core"])
@pytest.mark.parametrize("own", LAYERS_OF_PROJECTS)
def test_a_layer_on_redis_is_of_the_kind_that_is_chosen(
    production: Any, kind: str, own: str
) -> None:
    theirs = LAYERS_OF_PROJECTS[own]
    found, reason = chosen(production, kind, default=theirs, second=theirs)
    if theirs["BACKEND"] == KINDS[kind]:
        meant, why = theirs.get("CONFIG", {}), "REDIS_URL"
    else:
        meant = TAKEN_BY_ALL if own in ("core", "pubsub", "theirs") else {}
        why = "CHANNEL_LAYER, REDIS_URL"
    one = layer(KINDS[kind], **{**meant, "hosts": HOSTS[kind]})
    assert found == {"default": one, "second": one}
    assert reason == why


@pytest.mark.parametrize("own", LAYERS_OF_PROJECTS)
def test_a_layer_in_memory_has_nothing_of_the_one_before(production: Any, own: str) -> None:
    theirs = LAYERS_OF_PROJECTS[own]
    found, reason = chosen(production, "memory", default=theirs, second=theirs)
    one = theirs if own == "memory" else {"BACKEND": MEMORY}
    assert found == {"default": one, "second": one}
    assert reason == (None if own == "memory" else "CHANNEL_LAYER")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", LAYERS_OF_PROJECTS)
def test_the_layer_that_is_chosen_can_be_built(production: Any, kind: str, own: str) -> None:
    from django.utils.module_loading import import_string

    found, _ = chosen(production, kind, default=LAYERS_OF_PROJECTS[own])
    config = {**found["default"].get("CONFIG", {})}
    config.pop("symmetric_encryption_keys", None)  # they need a package that not all have
    assert import_string(found["default"]["BACKEND"])(**config) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_without_layers_gets_the_one_that_is_chosen(production: Any, kind: str) -> None:
    for theirs in ({}, {"CHANNEL_LAYERS": {}}):
        values, _ = production.overrides(theirs, {"LAUREL_CHANNEL_LAYER": kind})
        assert list(values["CHANNEL_LAYERS"]) == ["default"]
        assert values["CHANNEL_LAYERS"]["default"]["BACKEND"] == KINDS[kind]


def test_layers_keep_the_number_of_their_database(production: Any) -> None:
    theirs = {"CHANNEL_LAYERS": {"default": layer(CORE, hosts=["redis://localhost/3"])}}
    said = {"LAUREL_CHANNEL_LAYER": "pubsub", "REDIS_URL": "redis://10.0.0.9"}
    values, _ = production.overrides(theirs, said)
    assert values["CHANNEL_LAYERS"]["default"] == layer(PUBSUB, hosts=["redis://10.0.0.9/3"])


@pytest.mark.parametrize("said", ["project", ""])
@pytest.mark.parametrize("own", LAYERS_OF_PROJECTS)
def test_a_layer_stays_of_its_kind_where_none_is_chosen(
    production: Any, said: str, own: str
) -> None:
    theirs = LAYERS_OF_PROJECTS[own]
    assert production.channel_layer({"CHANNEL_LAYERS": {"default": theirs}}, {}) == {}
    found, _ = chosen(production, said, default=theirs)
    assert found["default"]["BACKEND"] == theirs["BACKEND"]


@pytest.mark.parametrize("said", ["redis", "Core", "pub-sub"])
def test_an_unknown_layer_is_told_with_those_that_are_known(production: Any, said: str) -> None:
    with pytest.raises(
        ImproperlyConfigured,
        match=f"^CHANNEL_LAYER={said}: it may be project, pubsub, core, memory$",
    ):
        production.overrides({}, {"LAUREL_CHANNEL_LAYER": said})


def test_a_layer_on_redis_that_is_not_installed_is_told(project: Project) -> None:
    project.write(f"CHANNEL_LAYERS = {{'default': {{'BACKEND': {MEMORY!r}}}}}\n")
    # Python takes a name for missing whose entry is None.
    without = "import sys; sys.modules['channels_redis'] = None; import laurel_production as its;"
    for kind in ("pubsub", "core"):
        ran = project.run("-c", without, LAUREL_CHANNEL_LAYER=kind)
        assert ran.stderr.splitlines()[-1].endswith(
            f"ImproperlyConfigured: CHANNEL_LAYER={kind}: add channels-redis to the requirements"
        )
    for kind in ("memory", "project"):
        ran = project.run(
            "-c",
            f"{without} print(its.CHANNEL_LAYERS['default']['BACKEND'])",
            LAUREL_CHANNEL_LAYER=kind,
        )
        assert ran.stdout.strip() == MEMORY, ran.stderr


# A Redis that Sentinels know


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("redis+sentinel://a/main", {"sentinels": [("a", 26379)], "master_name": "main"}),
        (
            "redis+sentinel://a,b.example:26380,10.0.0.9/my-main/2",
            {
                "sentinels": [("a", 26379), ("b.example", 26380), ("10.0.0.9", 26379)],
                "master_name": "my-main",
                "db": 2,
            },
        ),
        (
            "redis+sentinel://:p%40w%2F@a/main/0",
            {
                "sentinels": [("a", 26379)],
                "master_name": "main",
                "db": 0,
                "password": "p@w/",
                "sentinel_kwargs": {"password": "p@w/"},
            },
        ),
    ],
)
def test_a_service_of_sentinels_is_told_as_channels_redis_takes_it(
    production: Any, url: str, meant: dict[str, Any]
) -> None:
    found = layers(
        production,
        url,
        default=layer(CORE, hosts=["redis://localhost"], prefix="shop"),
        second=layer(PUBSUB, hosts=["redis://localhost"]),
        third=layer(MEMORY),
    )
    assert found == {
        "default": layer(CORE, hosts=[{**meant, **MENDED}], prefix="shop"),
        "second": layer(PUBSUB, hosts=[meant]),
        "third": layer(MEMORY),
    }


@pytest.mark.parametrize("backend", [CORE, PUBSUB])
def test_the_pool_that_is_made_of_it_asks_the_sentinels(production: Any, backend: str) -> None:
    from channels_redis.utils import create_pool
    from redis.asyncio.sentinel import SentinelConnectionPool

    found = layers(production, SENTINELS, default=layer(backend))
    (host,) = found["default"]["CONFIG"]["hosts"]
    pool = create_pool(host)
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "main"
    asked = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"], one["password"]) for one in asked] == [
        ("10.0.0.9", 26379, "p@w"),
        ("redis.example", 26380, "p@w"),
    ]
    assert pool.connection_kwargs["db"] == 2
    assert pool.connection_kwargs["password"] == "p@w"
    if backend == CORE:
        assert pool.connection_kwargs["socket_timeout"] is None
        assert pool.max_connections == 10_000


@pytest.mark.parametrize(
    ("theirs", "asking"),
    [
        *(
            ({"CACHES": {"default": {"BACKEND": backend}}}, "CACHES['default']")
            for backend in (
                "django.core.cache.backends.redis.RedisCache",
                "django_redis.cache.RedisCache",
                "redis_cache.RedisCache",
            )
        ),
        ({"CELERY_BROKER_URL": "redis://a"}, "CELERY_BROKER_URL"),
        ({"CELERY_RESULT_BACKEND": "rediss://a"}, "CELERY_RESULT_BACKEND"),
        ({"BROKER_URL": "redis://a"}, "BROKER_URL"),
        (
            {
                "CACHES": {"fast": {"BACKEND": "redis_cache.RedisCache"}},
                "CELERY_BROKER_URL": "redis://a",
            },
            "CACHES['fast'] and CELERY_BROKER_URL",
        ),
    ],
)
def test_what_can_not_ask_sentinels_is_told_of_them(
    production: Any, theirs: dict[str, Any], asking: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        production.overrides(theirs, {"REDIS_URL": SENTINELS})
    assert f"REDIS_URL names Sentinels, which {asking} can't ask: " in str(caught.value)
    assert "p%40w" not in str(caught.value)


def test_sentinels_leave_what_uses_no_redis_alone(production: Any) -> None:
    theirs = {
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        "CELERY_BROKER_URL": "amqp://a",
        "CHANNEL_LAYERS": {"default": layer(PUBSUB)},
    }
    values, _ = production.overrides(theirs, {"REDIS_URL": SENTINELS})
    assert "CACHES" not in values
    assert "CELERY_BROKER_URL" not in values
    assert values["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"][0]["master_name"] == "main"


def test_the_password_of_sentinels_is_not_printed(project: Project) -> None:
    project.write(f"CHANNEL_LAYERS = {{'default': {{'BACKEND': {PUBSUB!r}}}}}\n")
    found = project.printed(REDIS_URL=SENTINELS)["CHANNEL_LAYERS"]
    assert "'redis.example'" in found
    assert "p@w" not in found
    assert "p%40w" not in found


@pytest.mark.parametrize(
    ("backend", "location"),
    [
        ("django.core.cache.backends.redis.RedisCache", REDIS),
        ("django_redis.cache.RedisCache", REDIS),
        ("redis_cache.RedisCache", REDIS),
        ("django.core.cache.backends.locmem.LocMemCache", ["redis://a", "redis://b"]),
        ("shop.cache.RedisCache", ["redis://a", "redis://b"]),
    ],
)
def test_caches_in_redis_use_the_machines(production: Any, backend: str, location: str) -> None:
    own = {"BACKEND": backend, "LOCATION": ["redis://a", "redis://b"], "KEY_PREFIX": "shop"}
    found = production.redis_url({"CACHES": {"default": own}}, {"REDIS_URL": REDIS})
    assert found == {"CACHES": {"default": {**own, "LOCATION": location}}}


@pytest.mark.parametrize(
    ("theirs", "said", "meant"),
    [
        ("redis://a/1", "redis://b:6379", "redis://b:6379/1"),
        ("rediss://:pw@a:6380/2?ssl_cert_reqs=none", "redis://b", "redis://b/2"),
        ("redis://a?db=3", "rediss://b?ssl_cert_reqs=none", "rediss://b/3?ssl_cert_reqs=none"),
        ("unix:///run/r.sock?db=4", "redis://b", "redis://b/4"),
        ("redis://a/1", "unix:///run/r.sock", "unix:///run/r.sock?db=1"),
        ("redis://a/1", "unix://u@/run/r.sock?password=x", "unix://u@/run/r.sock?password=x&db=1"),
        ("redis://a/1,redis://b/2", "redis://c", "redis://c/1"),
        (["redis://a/1", "redis://b/2"], "redis://c", "redis://c/1"),
        ({"address": "redis://a/1"}, "redis://c", "redis://c/1"),
        ({"host": "a", "db": 5}, "redis://c", "redis://c/5"),
        # The operator's own word goes first.
        ("redis://a/1", "redis://b/0", "redis://b/0"),
        ("redis://a/1", "unix:///run/r.sock?db=0", "unix:///run/r.sock?db=0"),
        # Theirs name none.
        ("redis://a", "redis://b", "redis://b"),
        (("a", 6379), "redis://b", "redis://b"),
        ([], "redis://b", "redis://b"),
        (None, "redis://b", "redis://b"),
        ("redis://a/cache", "redis://b", "redis://b"),
    ],
)
def test_where_the_machine_names_no_database_of_its_redis_theirs_is_kept(
    production: Any, theirs: Any, said: str, meant: str
) -> None:
    assert production.with_database(said, production.database_number(theirs)) == meant


def test_a_cache_that_is_emptied_leaves_the_layer_alone(production: Any) -> None:
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://a/1"}
    theirs = {
        "CACHES": {"default": cache},
        "CHANNEL_LAYERS": {"default": layer(PUBSUB, hosts=["redis://a/0"])},
        "CELERY_BROKER_URL": "redis://a/2",
    }
    found = production.redis_url(theirs, {"REDIS_URL": "redis://b"})
    assert found["CACHES"]["default"]["LOCATION"] == "redis://b/1"
    assert found["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"] == ["redis://b/0"]
    assert found["CELERY_BROKER_URL"] == "redis://b/2"


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL"])
@pytest.mark.parametrize(
    ("theirs", "url", "meant"),
    [
        ("redis://a", REDIS, REDIS),
        ("rediss://a", "rediss://b?db=1", "rediss://b?db=1"),
        ("redis://a", "unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
        ("redis://a/1", "unix:///r?a=b", "redis+socket:///r?a=b&virtual_host=1"),
        ("amqp://a", REDIS, "amqp://a"),
        ("django-db", REDIS, "django-db"),
        (None, REDIS, None),
    ],
)
def test_celery_uses_the_machines_redis_if_it_uses_redis(
    production: Any, name: str, theirs: str | None, url: str, meant: str | None
) -> None:
    values, _ = production.overrides({name: theirs}, {"REDIS_URL": url})
    assert values.get(name, theirs) == meant


def test_a_project_without_redis_gets_nothing_of_it(production: Any) -> None:
    values, _ = production.overrides({}, {"REDIS_URL": REDIS})
    assert set(values) == {"SECURE_PROXY_SSL_HEADER", "LOGGING"}


# Logs


def logs(production: Any, own: object, **environment: str) -> Any:
    values, _ = production.overrides({"LOGGING": own}, environment)
    return values.get("LOGGING", own)


def test_a_project_without_logging_logs_to_stdout(project: Project) -> None:
    # A logger that is there before logging is configured, as that of a library is.
    project.write("import logging\nlogging.getLogger('shop')\n")
    say = (
        "import logging, django; django.setup();"
        "logging.getLogger('shop').info('sold');"
        "logging.getLogger('django.request').error('broken');"
        "logging.getLogger('shop').debug('detail')"
    )
    error, info, detail = "ERROR django.request: broken", "INFO shop: sold", "DEBUG shop: detail"
    for level, lines in (("", [info, error]), ("error", [error]), ("DEBUG", [info, error, detail])):
        ran = project.run("-c", say, LOG_LEVEL=level)
        assert [line.split(" ", 2)[2] for line in ran.stdout.splitlines()] == lines
        assert ran.stderr == ""


def test_an_error_is_told_once_with_debug_too(project: Project) -> None:
    say = "import logging, django; django.setup(); logging.getLogger('django').error('broken')"
    ran = project.run("-c", say, DEBUG="true")
    assert (ran.stdout + ran.stderr).count("broken") == 1


def test_a_level_that_there_is_not_is_refused(production: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL=LOUD: it may be DEBUG, INFO"):
        logs(production, {}, LOG_LEVEL="loud")


FILE_LOGGING = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"no_secrets": {"()": "shop.settings.NoSecrets"}},
    "formatters": {"short": {"format": "<%(levelname)s> %(message)s"}},
    "handlers": {
        "file": {
            "class": "logging.handlers.RotatingFileHandler",
            "filename": "/nonexistent/logs/shop.log",
            "maxBytes": 1000,
            "backupCount": 3,
            "level": "WARNING",
            "filters": ["no_secrets"],
            "formatter": "short",
        },
    },
    "loggers": {"shop": {"handlers": ["file"], "level": "DEBUG", "propagate": False}},
}

class NoSecrets:
    def filter(self, record):
        return "secret" not in record.msg
"""


def test_logs_that_would_go_to_a_file_go_to_stdout_in_their_own_form(project: Project) -> None:
    project.write(FILE_LOGGING)
    say = (
        "import logging, django; django.setup(); log = logging.getLogger('shop');"
        "log.info('below'); log.error('sold'); log.error('a secret')"
    )
    unmodified = project.run("-c", say, DJANGO_SETTINGS_MODULE="shop.settings")
    assert "Unable to configure handler 'file'" in unmodified.stderr
    ran = project.run("-c", say)
    assert (ran.stdout, ran.stderr) == ("<ERROR> sold\n", "")


class OwnFileHandler(logging.FileHandler):
    """A handler's class, as one may put it into LOGGING."""


@pytest.mark.parametrize(
    "handler",
    [
        {"class": "logging.FileHandler"},
        {"class": "logging.handlers.RotatingFileHandler", "maxBytes": 1},
        {"class": "logging.handlers.TimedRotatingFileHandler", "when": "D"},
        {"class": "logging.handlers.WatchedFileHandler"},
        {"class": "concurrent_log_handler.ConcurrentRotatingFileHandler"},
        {"()": "shop.log.OwnFileHandler"},
        {"class": OwnFileHandler},
        {"()": OwnFileHandler},
    ],
)
def test_every_kind_of_file_becomes_stdout(production: Any, handler: dict[str, Any]) -> None:
    own = {
        "version": 1,
        "handlers": {"file": {**handler, "filename": "/nonexistent/a", "level": "ERROR"}},
        "root": {"handlers": ["file"]},
    }
    found = logs(production, own)
    assert found == {**own, "handlers": {"file": {**STDOUT, "level": "ERROR"}}}
    logging.config.DictConfigurator(found).configure_handler(found["handlers"]["file"])


@pytest.mark.parametrize(
    "configured",
    [
        {"root": {"handlers": ["own"], "level": "WARNING"}},
        {"loggers": {"": {"handlers": ["own"]}}},
        {"loggers": {"root": {"handlers": ["own"]}}},
    ],
)
@pytest.mark.parametrize(
    "handler", [{"class": "logging.StreamHandler"}, {"class": "django.utils.log.AdminEmailHandler"}]
)
def test_a_project_that_logs_well_already_is_left_alone(
    production: Any, configured: dict[str, Any], handler: dict[str, Any]
) -> None:
    own = {"version": 1, "handlers": {"own": handler}, **configured}
    values, _ = production.overrides({"LOGGING": own}, {"LOG_LEVEL": "ERROR"})
    assert "LOGGING" not in values


def test_a_stream_among_the_handlers_is_no_obstacle(production: Any) -> None:
    own = {
        "version": 1,
        "handlers": {
            "screen": {"class": "logging.StreamHandler", "stream": sys.stderr},
            "file": {"class": "logging.FileHandler", "filename": "/nonexistent/a"},
        },
    }
    handlers = logs(production, own)["handlers"]
    assert handlers["screen"] is own["handlers"]["screen"]  # type: ignore[index]
    assert handlers["file"] == STDOUT


def test_loggers_of_the_project_stay_beside_the_one_that_is_added(production: Any) -> None:
    own = {
        "version": 1,
        "formatters": {"short": {"format": "%(message)s"}},
        "loggers": {"shop": {"level": "DEBUG"}, "": {"level": "ERROR"}},
    }
    found = logs(production, own, LOG_LEVEL="warning")
    assert found["loggers"] == {
        **own["loggers"],  # type: ignore[dict-item]
        "django": {"handlers": [], "propagate": True},
    }
    assert found["formatters"]["short"] == {"format": "%(message)s"}
    assert found["handlers"]["laurel"] == {**STDOUT, "level": "WARNING", "formatter": "laurel"}
    assert found["root"] == {"level": "ERROR", "handlers": ["laurel"]}
    assert "disable_existing_loggers" not in found


def test_a_django_logger_of_the_project_stays(production: Any) -> None:
    own = {"version": 1, "loggers": {"django": {"level": "ERROR"}}}
    assert logs(production, own)["loggers"] == {"django": {"level": "ERROR"}}


def test_errors_are_still_mailed_to_the_projects_admins(production: Any) -> None:
    values, _ = production.overrides({"ADMINS": [("Ada", "ada@example.org")]}, {})
    assert "django" not in values["LOGGING"]["loggers"]
    assert values["LOGGING"]["root"]["handlers"] == ["laurel"]


@pytest.mark.parametrize(
    "own",
    [
        {"LOGGING_CONFIG": None, "LOGGING": {"handlers": {"f": {"class": "logging.FileHandler"}}}},
        {"LOGGING_CONFIG": "logging.config.fileConfig", "LOGGING": "/app/logging.ini"},
        {"LOGGING": {"version": 1, "incremental": True, "loggers": {"shop": {"level": "INFO"}}}},
    ],
)
def test_a_project_that_configures_logging_by_itself_is_left_alone(
    production: Any, own: dict[str, Any]
) -> None:
    values, _ = production.overrides(own, {})
    assert "LOGGING" not in values


# What is remembered, and printed


EVERYTHING = {
    "SECRET_KEY": "new",
    "ALLOWED_HOSTS": "b.example",
    "CSRF_TRUSTED_ORIGINS": "https://b.example",
    "STATIC_ROOT": "/srv/static",
    "MEDIA_ROOT": "/srv/media",
    "TLS_IN_FRONT": "no",
    "DATABASE_URL": "postgres://u:p@db/site",
    "STATE_DIR": "/var/lib/site",
    "LAUREL_CHANNEL_LAYER": "pubsub",
    "REDIS_URL": REDIS,
}

FULL = {
    "DEBUG": True,
    "ALLOWED_HOSTS": ["*"],
    "CSRF_TRUSTED_ORIGINS": ["https://a.example"],
    "SESSION_COOKIE_SECURE": True,
    "DATABASES": {
        "default": {**sqlite("/app/db"), "OPTIONS": {"timeout": 20}},
        "logs": {**sqlite("/app/logs"), "OPTIONS": {"timeout": 20}},
    },
    "CHANNEL_LAYERS": {
        "default": layer(CORE, hosts=[{"address": REDIS, "db": 1}]),
        "second": layer(CORE, hosts=["redis://a"]),
    },
    "CACHES": {"default": {"BACKEND": "redis_cache.RedisCache", "OPTIONS": {"a": []}}},
    "CELERY_BROKER_URL": "redis://a",
    "LOGGING": {
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": "/nonexistent/a"}},
        "loggers": {"": {"level": "INFO"}},
    },
}


def test_each_override_is_remembered_once_in_order_with_its_reason(
    production: Any, tmp_path: Path, database_parser: Callable[[Path], None]
) -> None:
    database_parser(tmp_path)
    values, reasons = production.overrides(FULL, EVERYTHING)
    assert reasons == (
        ("SECRET_KEY", "SECRET_KEY"),
        ("STATIC_ROOT", "STATIC_ROOT"),
        ("MEDIA_ROOT", "MEDIA_ROOT"),
        ("DEBUG", "DEBUG, false by default"),
        ("ALLOWED_HOSTS", "ALLOWED_HOSTS"),
        ("CSRF_TRUSTED_ORIGINS", "CSRF_TRUSTED_ORIGINS"),
        ("SECURE_PROXY_SSL_HEADER", "nginx in front"),
        ("SESSION_COOKIE_SECURE", "TLS_IN_FRONT"),
        ("DATABASES", "DATABASE_URL, STATE_DIR"),
        ("CHANNEL_LAYERS", "CHANNEL_LAYER, REDIS_URL"),
        ("CACHES", "REDIS_URL"),
        ("CELERY_BROKER_URL", "REDIS_URL"),
        ("LOGGING", "logs go to stdout"),
    )
    assert [name for name, _ in reasons] == list(values)


def test_a_second_look_at_what_was_overridden_finds_nothing_to_override(
    production: Any, tmp_path: Path, database_parser: Callable[[Path], None]
) -> None:
    database_parser(tmp_path)
    environment = {name: value for name, value in EVERYTHING.items() if name != "DATABASE_URL"}
    values, _ = production.overrides(FULL, environment)
    assert production.overrides({**FULL, **values}, environment) == ({}, ())


def test_settings_of_the_project_are_not_changed_in_place(
    production: Any, tmp_path: Path, database_parser: Callable[[Path], None]
) -> None:
    database_parser(tmp_path)
    theirs, before = deepcopy(FULL), deepcopy(FULL)
    production.overrides(theirs, EVERYTHING)
    assert theirs == before


def test_overrides_are_printed_and_the_rest_is_not(project: Project) -> None:
    project.write("SECRET_KEY = 'old'\nSTATIC_ROOT = '/own'\nTIME_ZONE = 'UTC'\nDEBUG = True\n")
    found = project.printed(STATIC_ROOT="/srv/static", SECRET_KEY="fresh-secret")
    assert found["STATIC_ROOT"] == "'/srv/static'  <- STATIC_ROOT"
    assert found["SECRET_KEY"] == "********  <- SECRET_KEY"
    assert list(found) == [
        "SECRET_KEY",
        "STATIC_ROOT",
        "DEBUG",
        "SECURE_PROXY_SSL_HEADER",
        "LOGGING",
    ]
    assert "fresh-secret" not in str(found)
    kept = project.ask("settings.LAUREL_OVERRIDES", STATIC_ROOT="/srv/static")
    assert kept[0] == ["STATIC_ROOT", "STATIC_ROOT"]


def test_a_value_of_several_lines_takes_one(project: Project) -> None:
    found = project.printed(STATIC_ROOT="a\nb")
    assert found["STATIC_ROOT"] == "'a\\nb'  <- STATIC_ROOT"


@pytest.mark.parametrize(
    "value",
    [
        {"PASSWORD": "hunter2"},
        {"OPTIONS": {"passwd": "hunter2", "sslkey": "hunter2"}},
        [({"a": [{"api_token": ("hunter2",)}]},)],
        {"CONFIG": {"symmetric_encryption_keys": ["hunter2", "hunter2"]}},
        {"aws_credentials": {"id": "hunter2"}},
        {b"Secret": "hunter2"},
        {"hunter": {1: {"MyKey": {"hunter2"}}}},
        "redis://:hunter2@host:6379/0",
        b"redis://:hunter2@host:6379/0",
        {"redis://:hunter2@host": 1},
        [{"address": "rediss://user:hunter2@host"}],
        ("postgres://u:hunter2@db/site",),
        frozenset({"postgres://u:hunter2@db/site"}),
        "first redis://a, then redis://:hunter2@b",
        "redis://:hunter2@a;redis://:hunter2@b",
        "postgres://u:p@hunter2@db",
        "postgres://u:p/hunter2@db",
        "postgres://u:p hunter2\n@db",
        "postgres://u:p&key=hunter2@db",
        "redis://host:6379/0?password=hunter2",
        "redis://host:6379/0?password=p@hunter2",
        "host=db password='p hunter2'",
        type("Client", (), {"__repr__": lambda _self: "Client('hunter2')"})(),
    ],
)
def test_no_secret_is_printed_whatever_it_is_nested_in(production: Any, value: object) -> None:
    text = production.shown("DATABASES", {"default": [value]})
    assert "hunter2" not in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "EMAIL_PASSWORD", "api_token", "STRIPE_KEY", "Credentials", "MY_SECRET"]
)
def test_a_setting_whose_name_says_secret_is_not_printed(production: Any, name: str) -> None:
    assert production.shown(name, {"a": "hunter2"}) == "********"


def test_what_is_no_secret_is_printed(production: Any) -> None:
    value = {
        "ENGINE": POSTGRES,
        "PORT": 5432,
        "OPTIONS": {"timeout": 2.5, "on": True, "none": None},
        "hosts": [("10.0.0.9", 6379), "rediss://host:6380/2", "redis://u:pw@host:6379/0"],
        "NAME": Path("/var/lib/site/db"),
        "retry": object(),
    }
    assert production.shown("X", value) == (
        f"{{'ENGINE': '{POSTGRES}', 'PORT': 5432,"
        " 'OPTIONS': {'timeout': 2.5, 'on': True, 'none': None},"
        " 'hosts': [['10.0.0.9', 6379], 'rediss://host:6380/2',"
        " 'redis://u:********@host:6379/0'],"
        " 'NAME': '/var/lib/site/db', 'retry': <object>}"
    )
