"""The settings of a machine, read from files in a folder of the test."""

import json
import os
import socket
from pathlib import Path

import pytest
from laurel import capacity, cloud, servers, settings
from laurel.errors import LaurelError
from laurel.schema import BAKED, SETTINGS
from laurel.settings import Settings

BUILD = {
    **{name: SETTINGS[name].default for name in BAKED},
    "ASGI_APPLICATION": "mysite.asgi:application",
    "WSGI_APPLICATION": "mysite.wsgi:application",
    "SETTINGS_MODULE": "mysite.settings",
    "SITE_HOSTS": "example.org,www.example.org",
}


class Machine:
    """The files that settings come from."""

    def __init__(self, folder: Path) -> None:
        self.build_env = folder / "build.env"
        self.project_env = folder / "project.env"
        self.site_env = folder / "site.env"
        self.instance_data = folder / "instance-data.json"
        self.memory = folder / "meminfo"
        self.packages = folder / "current/venv/lib/python3.13/site-packages"
        self.packages.mkdir(parents=True)
        self.has_memory(4096)
        self.bake()

    def has_memory(self, mib: int) -> None:
        self.memory.write_text(f"MemFree: 1 kB\nMemTotal:    {mib * 1024} kB\nBuffers: 2 kB\n")

    def bake(self, **changed: str) -> None:
        lines = [f"{key}={value}\n" for key, value in {**BUILD, **changed}.items()]
        self.build_env.write_text("".join(lines))

    def install(self, *names: str) -> None:
        """Put packages into the site's environment, in a version that is new enough."""
        for name in names:
            (self.packages / f"{name}-99.0.dist-info").mkdir()

    def load(self, *lines: str) -> Settings:
        """The settings with these lines in site.env."""
        self.site_env.write_text("".join(f"{line}\n" for line in lines))
        return settings.load()

    def hosts(self, *lines: str) -> list[str]:
        return self.load(*lines).environment["ALLOWED_HOSTS"].split(",")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that was baked and has not booted, with three CPUs."""
    machine = Machine(tmp_path)
    monkeypatch.setattr(settings, "BUILD_ENV", machine.build_env)
    monkeypatch.setattr(settings, "PROJECT_ENV", machine.project_env)
    monkeypatch.setattr(settings, "SITE_ENV", machine.site_env)
    monkeypatch.setattr(cloud, "INSTANCE_DATA", machine.instance_data)
    monkeypatch.setattr(cloud, "ANSWER", tmp_path / "cloud-addresses")
    monkeypatch.setattr(capacity, "MEMORY", machine.memory)
    monkeypatch.setattr(servers, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 5})
    return machine


# Where a value comes from


def test_unprovisioned_machine_is_reported(machine: Machine) -> None:
    machine.build_env.unlink()
    with pytest.raises(LaurelError, match=r"build\.env: this machine was not provisioned"):
        settings.load()


def test_site_env_overrides_the_baked_value(machine: Machine) -> None:
    loaded = machine.load("HEALTH_PATH=/ping", "DATABASE_URL=postgres://u:p%40@db")
    assert loaded.get("HEALTH_PATH") == "/ping"
    assert loaded.get("SETTINGS_MODULE") == "mysite.settings"
    assert loaded.environment["DATABASE_URL"] == "postgres://u:p%40@db"
    assert "HEALTH_PATH" not in loaded.environment
    assert loaded.problems == []


@pytest.mark.parametrize(
    ("name", "baked", "bad"),
    [("MAX_BODY", "3m", "9000000000g"), ("TRUSTED_PROXIES", "10.0.0.7", "0.0.0.0/0")],
)
def test_invalid_value_falls_back_to_the_baked_one(
    machine: Machine, name: str, baked: str, bad: str
) -> None:
    machine.bake(**{name: baked})
    loaded = machine.load("# a comment", f"{name}={bad}")
    assert loaded.get(name) == baked
    (problem,) = loaded.problems
    assert problem.startswith(f"{machine.site_env}, line 2: {name}={bad}: ")
    assert problem.endswith(f"; {baked} is used")


def test_invalid_words_of_a_list_are_left_out(machine: Machine) -> None:
    loaded = machine.load("ASGI_PATHS=poll/,/sse/,/sse/")
    assert loaded.get("ASGI_PATHS") == "/sse/"
    assert loaded.problems == [
        f"{machine.site_env}, line 1: ASGI_PATHS=poll/: not a path that begins with a slash and"
        " has no %; /sse/ is used"
    ]


def test_settings_of_the_bake_stay_as_baked(machine: Machine) -> None:
    loaded = machine.load("STATIC_URL=/assets/")
    assert loaded.get("STATIC_URL") == "/static/"
    assert loaded.problems == [
        f"{machine.site_env}, line 1: STATIC_URL=/assets/: it is fixed when a machine is"
        " provisioned; /static/ is used"
    ]
    assert machine.load("STATIC_URL=/static/").problems == []


# Settings that depend on one another


@pytest.mark.parametrize(
    ("name", "value", "packages"),
    [
        ("ASGI_SERVER", "hypercorn", ["hypercorn", "uvloop"]),
        ("HTTP_SERVER", "gunicorn", ["gunicorn"]),
        ("CHANNEL_LAYER", "core", ["channels_redis"]),
    ],
)
def test_server_and_layer_need_their_packages(
    machine: Machine, name: str, value: str, packages: list[str]
) -> None:
    loaded = machine.load(f"{name}={value}")
    assert loaded.get(name) == BUILD[name]
    (problem,) = loaded.problems
    assert "is not installed in the site's virtualenv" in problem
    machine.install(*packages)
    loaded = machine.load(f"{name}={value}")
    assert (loaded.get(name), loaded.problems) == (value, [])


def test_baked_servers_and_layers_are_not_looked_up(machine: Machine) -> None:
    """While the machine is made, its environment is not there yet."""
    machine.bake(ASGI_SERVER="uvicorn", HTTP_SERVER="gunicorn", CHANNEL_LAYER="core")
    loaded = machine.load("ASGI_SERVER=uvicorn", "CHANNEL_LAYER=core")
    assert (loaded.get("ASGI_SERVER"), loaded.get("HTTP_SERVER")) == ("uvicorn", "gunicorn")
    assert loaded.problems == []


ONE = {"PROCESSES": "1", "HTTP_SERVER": "gunicorn"}


@pytest.mark.parametrize(
    ("baked", "line", "used", "problem"),
    [
        ({"WSGI_APPLICATION": ""}, "HTTP_SERVER=gunicorn", "same", "has no WSGI application"),
        ({}, "CHANNEL_LAYER=memory", "1", "PROCESSES=auto: CHANNEL_LAYER is memory, which loses"),
        (ONE, "CHANNEL_LAYER=memory", "same", "HTTP_SERVER=gunicorn: CHANNEL_LAYER is memory"),
        ({}, "MEDIA_URL=/static/", "", "MEDIA_URL=/static/: STATIC_URL is the same path"),
    ],
)
def test_conflicting_settings_use_what_works(
    machine: Machine, baked: dict[str, str], line: str, used: str, problem: str
) -> None:
    machine.bake(**baked)
    machine.install("gunicorn")
    loaded = machine.load(line)
    (found,) = loaded.problems
    assert problem in found
    name = found.removeprefix(f"{machine.site_env}, line 1: ").partition("=")[0]
    assert loaded.get(name) == used


def test_tls_in_front_needs_a_trusted_proxy(machine: Machine) -> None:
    loaded = machine.load("TLS_IN_FRONT=yes")
    assert loaded.environment["TLS_IN_FRONT"] == "no"
    (problem,) = loaded.problems
    assert "a redirect would never end" in problem
    loaded = machine.load("TLS_IN_FRONT=yes", "TRUSTED_PROXIES=10.0.0.7")
    assert (loaded.environment["TLS_IN_FRONT"], loaded.problems) == ("yes", [])


# The number of processes


@pytest.mark.parametrize(
    ("mib", "http_server", "fit"),
    [
        *((200, "same", 1), (512, "same", 2), (4096, "same", 3)),
        *((512, "gunicorn", 1), (768, "gunicorn", 2)),
    ],
)
def test_auto_is_one_process_a_cpu_within_memory(
    machine: Machine, mib: int, http_server: str, fit: int
) -> None:
    machine.bake(HTTP_SERVER=http_server)
    machine.has_memory(mib)
    assert machine.load().processes == fit
    assert machine.load("PROCESSES=7").processes == 7


# What the site's processes get


@pytest.mark.parametrize(
    ("line", "name", "used"),
    [
        ("REDIS_URL=http://site:pw@a", "REDIS_URL", "redis://127.0.0.1:6379"),
        ("export REDIS_URL=redis:", "REDIS_URL", "redis://127.0.0.1:6379"),
        ("LOG_LEVEL=verbose", "LOG_LEVEL", "WARNING"),
        # Another database would take what belongs into this one.
        ("DATABASE_URL=postgres:", "DATABASE_URL", "postgres:"),
        ("export UID=1000", "UID", None),
        ("export DEBUG=true", "DEBUG", None),
        ("export LAUREL_PROCFILE=x", "LAUREL_PROCFILE", "/srv/site/current/app/"),
    ],
)
def test_variable_that_stops_the_site_is_reported(
    machine: Machine, line: str, name: str, used: str | None
) -> None:
    machine.project_env.write_text("LOG_LEVEL=WARNING\n")
    loaded = machine.load(line)
    assert loaded.environment.get(name) == used
    (problem,) = loaded.problems
    assert problem.startswith(f"{machine.site_env}, line 1: {name}")
    assert "pw" not in problem


@pytest.mark.parametrize("name", ["PATH", "PYTHONPATH"])
def test_path_lists_follow_laurels_own(machine: Machine, name: str) -> None:
    own = machine.load().environment[name]
    loaded = machine.load(f"export {name}=src")
    assert (loaded.environment[name], loaded.problems) == (f"{own}:src", [])


def test_unknown_key_is_reported_with_the_likely_one(machine: Machine) -> None:
    loaded = machine.load("# ours", "SITE_HOST=a.example", "STRIPE_KEY=sk_1")
    assert loaded.problems == [
        f"{machine.site_env}, line 2: SITE_HOST is not a setting of Laurel (SITE_HOSTS?);"
        " if the project reads it, write `export SITE_HOST=...`",
        f"{machine.site_env}, line 3: STRIPE_KEY is not a setting of Laurel;"
        " if the project reads it, write `export STRIPE_KEY=...`",
    ]
    assert loaded.environment["STRIPE_KEY"] == "sk_1"


def test_exported_variables_are_for_the_project_alone(machine: Machine) -> None:
    machine.project_env.write_text("STRIPE_KEY=baked\nSENTRY_DSN=baked\n")
    loaded = machine.load("export STRIPE_KEY=sk_1", "export PROCESSES=7", "PROCESSES=2")
    assert loaded.problems == []
    assert loaded.environment["STRIPE_KEY"] == "sk_1"
    assert loaded.environment["SENTRY_DSN"] == "baked"
    assert (loaded.environment["PROCESSES"], loaded.processes) == ("7", 2)


def test_administrator_is_kept_from_the_processes(machine: Machine) -> None:
    given = {"DJANGO_SUPERUSER_USERNAME": "ada", "DJANGO_SUPERUSER_PASSWORD": "correct horse"}
    loaded = machine.load(*(f"{name}={value}" for name, value in given.items()))
    assert (loaded.administrator, loaded.problems) == (given, [])
    assert not [key for key in loaded.environment if key.startswith("DJANGO_SUPERUSER")]
    loaded = machine.load("DJANGO_SUPERUSER_USERNAME=ada")
    assert loaded.administrator == {}
    assert loaded.problems == [
        "DJANGO_SUPERUSER_PASSWORD is missing: the first administrator was not made"
    ]
    assert not [key for key in loaded.environment if key.startswith("DJANGO_SUPERUSER")]


def test_debug_is_on_for_development_alone(machine: Machine) -> None:
    assert "DEBUG" not in machine.load().environment
    assert machine.load("DEVELOPMENT=yes").environment["DEBUG"] == "true"


# The names that the site answers to


def test_site_answers_to_given_and_own_names(machine: Machine) -> None:
    metadata = {"public-ipv4": "203.0.113.25"}
    machine.instance_data.write_text(json.dumps({"ds": {"meta-data": metadata}}))
    hosts = machine.hosts("ASGI_HOSTS=live.example.org,www.example.org")
    own = {"localhost", "127.0.0.1", "[::1]", socket.gethostname()}
    assert {*own, "example.org", "live.example.org", "203.0.113.25"} <= set(hosts)
    assert len(hosts) == len(set(hosts))


@pytest.mark.parametrize(
    "line", ["SITE_HOSTS=*,example.org", "ALLOWED_HOSTS=*", "ALLOWED_HOSTS=a,*"]
)
def test_site_never_answers_to_every_name(machine: Machine, line: str) -> None:
    hosts = machine.hosts(line)
    assert "*" not in hosts
    assert "" not in hosts
    (problem,) = settings.load().problems
    assert "would let every Origin in" in problem


@pytest.mark.parametrize("line", ["ALLOWED_HOSTS=a.example", "export ALLOWED_HOSTS=a.example"])
def test_allowed_hosts_replaces_every_name_and_address(machine: Machine, line: str) -> None:
    assert machine.load().environment["LAUREL_OWN_ADDRESSES"] == "yes"
    environment = machine.load(line).environment
    assert environment["ALLOWED_HOSTS"] == "a.example"
    assert environment["LAUREL_OWN_ADDRESSES"] == "no"
