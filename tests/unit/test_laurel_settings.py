"""The settings of a machine, read from files in a folder of the test."""

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.settings import DEFAULTS
from laurel import cloud, servers, settings
from laurel.errors import LaurelError
from laurel.settings import Settings

BAKED = {
    **DEFAULTS,
    "ASGI_APPLICATION": "mysite.asgi:application",
    "WSGI_APPLICATION": "mysite.wsgi:application",
    "SETTINGS_MODULE": "mysite.settings",
    "HEALTH_PATH": "/healthz",
    "PROCESSES": "auto",
    "SITE_HOSTS": "example.org,www.example.org",
    "TRUSTED_PROXIES": "",
    "DEVELOPMENT": "no",
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
        lines = [f"{key}={value}\n" for key, value in {**BAKED, **changed}.items()]
        self.build_env.write_text("".join(lines))

    def install(self, *names: str) -> None:
        """Put packages into the site's environment, in a version that is new enough."""
        for name in names:
            (self.packages / f"{name}-99.0.dist-info").mkdir()

    def hosts(self) -> list[str]:
        return settings.load().environment["ALLOWED_HOSTS"].split(",")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that was baked and has not booted."""
    machine = Machine(tmp_path)
    monkeypatch.setattr(settings, "BUILD_ENV", machine.build_env)
    monkeypatch.setattr(settings, "PROJECT_ENV", machine.project_env)
    monkeypatch.setattr(settings, "SITE_ENV", machine.site_env)
    monkeypatch.setattr(cloud, "INSTANCE_DATA", machine.instance_data)
    monkeypatch.setattr(cloud, "ANSWER", tmp_path / "cloud-addresses")
    monkeypatch.setattr(settings, "MEMORY", machine.memory)
    monkeypatch.setattr(servers, "CURRENT", tmp_path / "current")
    return machine


# The files


def test_a_machine_that_was_not_provisioned_is_told_so(machine: Machine) -> None:
    machine.build_env.unlink()
    with pytest.raises(LaurelError, match=r"build\.env: this machine was not provisioned"):
        settings.load()


def test_a_setting_that_is_missing_is_an_error_with_its_name(
    make_settings: Callable[..., Settings],
) -> None:
    with pytest.raises(LaurelError, match="has no NO_SUCH"):
        make_settings().get("NO_SUCH")


# Who says what


def test_the_operator_overrides_what_was_baked(machine: Machine) -> None:
    machine.site_env.write_text("HEALTH_PATH=/ping\nDATABASE_URL=postgres://db\n")
    loaded = settings.load()
    assert loaded.get("HEALTH_PATH") == "/ping"
    assert loaded.get("SETTINGS_MODULE") == "mysite.settings"


def test_only_what_is_not_a_setting_of_the_bake_reaches_the_site(machine: Machine) -> None:
    machine.site_env.write_text("PROCESSES=2\nDATABASE_URL=postgres://u:p%40@db\n")
    environment = settings.load().environment
    assert environment["DATABASE_URL"] == "postgres://u:p%40@db"
    assert environment["LAUREL_SETTINGS_MODULE"] == "mysite.settings"
    assert "PROCESSES" not in environment


def test_the_operator_may_name_another_redis(machine: Machine) -> None:
    assert settings.load().environment["REDIS_URL"] == "redis://127.0.0.1:6379"
    machine.site_env.write_text("REDIS_URL=redis://10.0.0.9/1\n")
    assert settings.load().environment["REDIS_URL"] == "redis://10.0.0.9/1"


@pytest.mark.parametrize(
    "url",
    [
        "redis://10.0.0.9",
        "rediss://:p@redis.example:6380/2",
        "unix:///run/redis.sock?db=1",
        "redis://[2001:db8::9]:6379",
        "redis+sentinel://10.0.0.9/main",
        "redis+sentinel://:p%40w@a.example:26380,b-2.example,10.0.0.9:26379/my-main.1/2",
    ],
)
def test_every_form_of_a_redis_url_is_taken(machine: Machine, url: str) -> None:
    machine.site_env.write_text(f"REDIS_URL={url}\n")
    loaded = settings.load()
    assert loaded.environment["REDIS_URL"] == url
    assert loaded.problems == []


@pytest.mark.parametrize(
    "url",
    [
        *("10.0.0.9", "10.0.0.9:6379", "http://a", "redis://a:port", "redis:"),
        *(
            "redis+sentinel://",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel:///main",
        ),
        *("redis+sentinel://a,/main", "redis+sentinel://a:port/main", "redis+sentinel://a/main/x"),
        *(
            "redis+sentinel://a/main/1/2",
            "redis+sentinel://a/main?x=1",
            "redis+sentinel://a b/main",
        ),
        # Unquoted, and a name, which no Sentinel would be given.
        *("redis+sentinel://:p/w@a/main", "redis+sentinel://site:pw@a/main"),
        "sentinel://a/main",
    ],
)
def test_a_redis_url_that_is_none_is_told_and_the_site_runs_on_its_own(
    machine: Machine, url: str
) -> None:
    machine.site_env.write_text(f"REDIS_URL={url}\n")
    loaded = settings.load()
    assert loaded.environment["REDIS_URL"] == "redis://127.0.0.1:6379"
    (problem,) = loaded.problems
    assert problem.startswith("REDIS_URL is not of the form redis://")
    assert "redis+sentinel://" in problem
    assert "pw" not in problem


@pytest.mark.parametrize("url", ["db.example/site", "postgres://u:secret@:5432x/site", "postgres:"])
def test_a_database_url_that_is_none_is_told_and_not_replaced(machine: Machine, url: str) -> None:
    machine.site_env.write_text(f"DATABASE_URL={url}\n")
    loaded = settings.load()
    assert loaded.environment["DATABASE_URL"] == url
    (problem,) = loaded.problems
    assert problem.startswith("DATABASE_URL is not of the form postgres://")
    assert "secret" not in problem


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/site/x.sqlite3", "sqlite://:memory:", "mysql://u:p%40@db:3306/site"]
)
def test_other_databases_are_taken(machine: Machine, url: str) -> None:
    machine.site_env.write_text(f"DATABASE_URL={url}\n")
    assert settings.load().problems == []


def test_a_key_that_is_unknown_is_told_with_its_line_and_the_one_that_was_meant(
    machine: Machine,
) -> None:
    machine.site_env.write_text("# ours\nSITE_HOST=a.example\nSTRIPE_KEY=sk_1\n")
    loaded = settings.load()
    assert loaded.problems == [
        f"{machine.site_env}, line 2: SITE_HOST is no setting of Laurel's (SITE_HOSTS?);"
        " if the project reads it, write `export SITE_HOST=...`",
        f"{machine.site_env}, line 3: STRIPE_KEY is no setting of Laurel's;"
        " if the project reads it, write `export STRIPE_KEY=...`",
    ]
    assert loaded.environment["STRIPE_KEY"] == "sk_1"


def test_what_is_exported_is_for_the_project(machine: Machine) -> None:
    machine.site_env.write_text("export STRIPE_KEY=sk_1\nexport PROCESSES=7\nPROCESSES=2\n")
    loaded = settings.load()
    assert loaded.problems == []
    assert loaded.environment["STRIPE_KEY"] == "sk_1"
    assert loaded.environment["PROCESSES"] == "7"
    assert loaded.processes == 2


def test_the_first_administrator_is_for_nobody_else(machine: Machine) -> None:
    machine.site_env.write_text(
        "DJANGO_SUPERUSER_USERNAME=ada\nDJANGO_SUPERUSER_PASSWORD=correct horse\n"
    )
    loaded = settings.load()
    assert loaded.administrator == {
        "DJANGO_SUPERUSER_USERNAME": "ada",
        "DJANGO_SUPERUSER_PASSWORD": "correct horse",
    }
    assert not [key for key in loaded.environment if key.startswith("DJANGO_SUPERUSER")]
    assert loaded.problems == []


def test_an_administrator_without_a_password_is_told_and_not_made(machine: Machine) -> None:
    machine.site_env.write_text("DJANGO_SUPERUSER_USERNAME=ada\n")
    loaded = settings.load()
    assert loaded.administrator == {}
    assert loaded.problems == [
        "DJANGO_SUPERUSER_PASSWORD is missing: the first administrator was not made"
    ]


def test_errors_show_their_source_only_on_a_machine_to_develop_on(machine: Machine) -> None:
    assert "DEBUG" not in settings.load().environment
    machine.site_env.write_text("DEVELOPMENT=yes\n")
    assert settings.load().environment["DEBUG"] == "true"


def test_problems_of_both_files_are_kept(machine: Machine) -> None:
    machine.build_env.write_text(machine.build_env.read_text() + "oops\n")
    machine.site_env.write_text("# fine\noops\n")
    assert settings.load().problems == [
        f"{machine.build_env}, line {len(BAKED) + 1}: not KEY=VALUE, left out",
        f"{machine.site_env}, line 2: not KEY=VALUE, left out",
    ]


# The number of processes


def test_auto_is_one_process_for_each_cpu_that_may_be_used(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 5})
    machine.bake(PROCESSES="auto")
    assert settings.load().processes == 3


@pytest.mark.parametrize(("mib", "fit"), [(200, 1), (460, 1), (512, 2), (640, 3), (4096, 4)])
def test_auto_is_no_more_than_memory_has_room_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, mib: int, fit: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    machine.has_memory(mib)
    assert settings.load().processes == fit


def test_a_number_is_taken_as_it_is(machine: Machine) -> None:
    machine.has_memory(256)
    machine.bake(PROCESSES="7")
    loaded = settings.load()
    assert (loaded.processes, loaded.problems) == (7, [])


@pytest.mark.parametrize("nonsense", ["0", "-1", "2.5", "1025", "many", "", "1 2"])
def test_nonsense_is_reported_and_a_site_still_starts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, nonsense: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    machine.bake(PROCESSES=nonsense)
    loaded = settings.load()
    assert loaded.processes == 2
    (problem,) = loaded.problems
    assert problem.startswith(f"PROCESSES={nonsense}: ")


@pytest.mark.parametrize(("mib", "fit"), [(200, 1), (512, 1), (640, 1), (768, 2), (1279, 3)])
def test_with_a_server_for_plain_http_each_process_is_two(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, mib: int, fit: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    machine.has_memory(mib)
    machine.bake(HTTP_SERVER="gunicorn")
    assert settings.load().processes == fit
    # Where there is memory, there is one of each for each CPU.
    machine.has_memory(4096)
    assert settings.load().processes == 4


@pytest.mark.parametrize("processes", ["auto", "2", "7"])
def test_a_layer_in_memory_has_one_process_and_says_so(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    machine.bake(PROCESSES=processes)
    machine.site_env.write_text("CHANNEL_LAYER=memory\n")
    loaded = settings.load()
    assert loaded.processes == 1
    (problem,) = loaded.problems
    assert problem.startswith("CHANNEL_LAYER=memory loses messages between processes, and ")
    assert f"PROCESSES={processes}: one process is used" in problem


def test_a_layer_in_memory_goes_with_one_process(machine: Machine) -> None:
    machine.bake(PROCESSES="1", CHANNEL_LAYER="memory")
    loaded = settings.load()
    assert (loaded.processes, loaded.problems) == (1, [])
    assert loaded.environment["LAUREL_CHANNEL_LAYER"] == "memory"


# Servers, and what starts them


@pytest.mark.parametrize(
    ("name", "server"),
    [
        *(("ASGI_SERVER", server) for server in ("uvicorn", "hypercorn", "granian")),
        ("HTTP_SERVER", "gunicorn"),
    ],
)
def test_the_operator_may_choose_a_server_that_is_installed(
    machine: Machine, name: str, server: str
) -> None:
    machine.site_env.write_text(f"{name}={server}\n")
    loaded = settings.load()
    assert loaded.get(name) == BAKED[name]
    (problem,) = loaded.problems
    assert problem.startswith(f"{name}={server}: the site's environment has it not: ")
    assert problem.endswith(f"; {BAKED[name]} is used")
    machine.install(*servers.read(server).packages)
    loaded = settings.load()
    assert (loaded.get(name), loaded.problems) == (server, [])
    assert name not in loaded.environment


def test_what_was_baked_needs_no_look(machine: Machine) -> None:
    """While the machine is made, the environment is not there yet."""
    machine.bake(ASGI_SERVER="uvicorn", HTTP_SERVER="gunicorn")
    machine.site_env.write_text("ASGI_SERVER=uvicorn\n")
    loaded = settings.load()
    assert (loaded.get("ASGI_SERVER"), loaded.get("HTTP_SERVER")) == ("uvicorn", "gunicorn")
    assert loaded.problems == []


def test_the_operator_may_take_a_server_back(machine: Machine) -> None:
    machine.bake(ASGI_SERVER="granian", HTTP_SERVER="gunicorn")
    machine.install("daphne")
    machine.site_env.write_text("ASGI_SERVER=daphne\nHTTP_SERVER=same\n")
    loaded = settings.load()
    assert (loaded.get("ASGI_SERVER"), loaded.get("HTTP_SERVER")) == ("daphne", "same")
    assert loaded.problems == []


@pytest.mark.parametrize(
    ("name", "given", "known"),
    [
        ("ASGI_SERVER", "apache", "daphne, granian, hypercorn, uvicorn"),
        ("ASGI_SERVER", "gunicorn", "daphne, granian, hypercorn, uvicorn"),
        ("ASGI_SERVER", "same", "daphne, granian, hypercorn, uvicorn"),
        ("ASGI_SERVER", "", "daphne, granian, hypercorn, uvicorn"),
        ("ASGI_SERVER", "../daphne", "daphne, granian, hypercorn, uvicorn"),
        ("HTTP_SERVER", "uvicorn", "same, gunicorn"),
        ("HTTP_SERVER", "Same", "same, gunicorn"),
    ],
)
def test_an_unknown_server_is_told_with_those_that_are_known(
    machine: Machine, name: str, given: str, known: str
) -> None:
    machine.install("daphne", "uvicorn", "gunicorn")
    machine.site_env.write_text(f"{name}={given}\n")
    loaded = settings.load()
    assert loaded.get(name) == BAKED[name]
    assert loaded.problems == [f"{name}={given}: it is one of {known}; {BAKED[name]} is used"]


@pytest.mark.parametrize("where", ["bake", "site.env"])
def test_gunicorn_without_a_wsgi_application_is_told_and_not_used(
    machine: Machine, where: str
) -> None:
    machine.install("gunicorn")
    if where == "bake":
        machine.bake(HTTP_SERVER="gunicorn", WSGI_APPLICATION="")
    else:
        machine.bake(WSGI_APPLICATION="")
        machine.site_env.write_text("HTTP_SERVER=gunicorn\n")
    loaded = settings.load()
    assert loaded.get("HTTP_SERVER") == "same"
    assert loaded.problems == [
        "HTTP_SERVER=gunicorn: the project has no WSGI application"
        " (WSGI_APPLICATION=module:name); same is used"
    ]
    machine.site_env.write_text("HTTP_SERVER=gunicorn\nWSGI_APPLICATION=mysite.wsgi\n")
    loaded = settings.load()
    assert (loaded.get("HTTP_SERVER"), loaded.problems) == ("gunicorn", [])
    assert loaded.environment["LAUREL_WSGI_APPLICATION"] == "mysite.wsgi"


def test_gunicorn_with_a_layer_in_memory_is_told_and_not_used(machine: Machine) -> None:
    machine.bake(PROCESSES="1", HTTP_SERVER="gunicorn", CHANNEL_LAYER="memory")
    loaded = settings.load()
    assert loaded.get("HTTP_SERVER") == "same"
    assert loaded.problems == [
        "HTTP_SERVER=gunicorn: CHANNEL_LAYER=memory reaches no websocket from its processes;"
        " same is used"
    ]


@pytest.mark.parametrize(("baked", "given"), [("supervisor", "systemd"), ("systemd", "supervisor")])
def test_no_machine_changes_what_starts_its_processes(
    machine: Machine, baked: str, given: str
) -> None:
    machine.bake(PROCESS_MANAGER=baked)
    machine.site_env.write_text(f"PROCESS_MANAGER={given}\n")
    loaded = settings.load()
    assert loaded.get("PROCESS_MANAGER") == baked
    assert loaded.problems == [
        f"PROCESS_MANAGER={given}: it is fixed when a machine is provisioned; {baked} is used"
    ]
    machine.site_env.write_text(f"PROCESS_MANAGER={baked}\n")
    assert settings.load().problems == []


@pytest.mark.parametrize("layer", ["project", "pubsub", "core"])
def test_the_layer_that_is_chosen_reaches_the_site(machine: Machine, layer: str) -> None:
    machine.install("channels_redis")
    machine.site_env.write_text(f"CHANNEL_LAYER={layer}\n")
    loaded = settings.load()
    assert (loaded.environment["LAUREL_CHANNEL_LAYER"], loaded.problems) == (layer, [])


@pytest.mark.parametrize("layer", ["pubsub", "core"])
@pytest.mark.parametrize("baked", ["project", "memory"])
def test_a_layer_that_the_environment_has_not_is_told_and_not_used(
    machine: Machine, baked: str, layer: str
) -> None:
    machine.bake(PROCESSES="1", CHANNEL_LAYER=baked)
    machine.site_env.write_text(f"CHANNEL_LAYER={layer}\n")
    loaded = settings.load()
    assert loaded.environment["LAUREL_CHANNEL_LAYER"] == loaded.get("CHANNEL_LAYER") == baked
    assert loaded.problems == [
        f"CHANNEL_LAYER={layer}: the site's environment has no channels-redis: bake with that"
        f" setting, or require it; {baked} is used"
    ]


def test_a_layer_that_was_baked_needs_no_look(machine: Machine) -> None:
    """While the machine is made, the environment is not there yet."""
    machine.bake(CHANNEL_LAYER="core")
    machine.site_env.write_text("CHANNEL_LAYER=core\n")
    loaded = settings.load()
    assert (loaded.get("CHANNEL_LAYER"), loaded.problems) == ("core", [])


@pytest.mark.usefixtures("machine")
def test_the_applications_reach_the_site() -> None:
    environment = settings.load().environment
    assert environment["LAUREL_ASGI_APPLICATION"] == "mysite.asgi:application"
    assert environment["LAUREL_WSGI_APPLICATION"] == "mysite.wsgi:application"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("BIND_PORT", ["1", "80", "8000", "59999", "64999", "65000", "65499", "65529", "65535"]),
        ("BIND_ADDRESS", ["0.0.0.0", "10.0.0.7", "255.255.255.255"]),
        ("ASGI_PATHS", ["/poll/", "/poll/,/sse,/a-b/c.d/~me/x+y@z"]),
        ("ASGI_HOSTS", ["live.example.org", ".example.org,10.0.0.7"]),
    ],
)
def test_what_nginx_can_take_is_taken(machine: Machine, name: str, good: list[str]) -> None:
    for value in good:
        machine.site_env.write_text(f"{name}={value}\n")
        loaded = settings.load()
        assert (loaded.get(name), loaded.problems) == (value, [])


@pytest.mark.parametrize(
    ("name", "bad", "used"),
    [
        (
            "BIND_PORT",
            ["0", "-1", "08000", "65536", "70000", "99999", "100000", "http", ""],
            "8000",
        ),
        (
            "BIND_ADDRESS",
            ["localhost", "::1", "127.0.0", "127.0.0.256", "1.2.3.4.5", "*", ""],
            "127.0.0.1",
        ),
        ("CHANNEL_LAYER", ["redis", "Core", ""], "project"),
    ],
)
def test_what_can_not_be_is_told_with_what_is_used(
    machine: Machine, name: str, bad: list[str], used: str
) -> None:
    for value in bad:
        machine.site_env.write_text(f"{name}={value}\n")
        loaded = settings.load()
        assert loaded.get(name) == used
        (problem,) = loaded.problems
        assert re.match(f"{name}={re.escape(value)}(:| is not) ", problem)
        assert problem.endswith(f"; {used} is used")


@pytest.mark.parametrize(
    ("name", "given", "kept", "left_out"),
    [
        ("ASGI_PATHS", "poll/,/sse/", "/sse/", "poll/"),
        ("ASGI_PATHS", '/a";return,/sse/', "/sse/", '/a";return'),
        ("ASGI_PATHS", "/a{1},/b$", "", "/a{1}"),
        ("ASGI_PATHS", "/a%2Fb,/sse/", "/sse/", "/a%2Fb"),
        ("ASGI_HOSTS", "*,live.example.org", "live.example.org", "*"),
        ("ASGI_HOSTS", "live.example.org;x", "", "live.example.org;x"),
    ],
)
def test_what_nginx_would_refuse_is_left_out_and_told(
    machine: Machine, name: str, given: str, kept: str, left_out: str
) -> None:
    machine.site_env.write_text(f"{name}={given}\n")
    loaded = settings.load()
    assert loaded.get(name) == kept
    assert loaded.problems[0].startswith(f"{name}: {left_out} is left out: not ")


def test_the_site_answers_to_names_that_stay_with_the_asgi_server(machine: Machine) -> None:
    machine.site_env.write_text("ASGI_HOSTS=live.example.org\n")
    assert {"example.org", "live.example.org"} <= set(machine.hosts())


# The names that the site answers to


def test_the_site_answers_to_its_own_names_and_to_those_it_was_given(machine: Machine) -> None:
    assert {
        "example.org",
        "www.example.org",
        "localhost",
        "127.0.0.1",
        "[::1]",
        socket.gethostname(),
    } <= set(machine.hosts())


def test_the_site_answers_to_the_addresses_of_the_machine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "_addresses", lambda: ["192.0.2.7", "[2001:db8::7]"])
    assert {"192.0.2.7", "[2001:db8::7]"} <= set(machine.hosts())


def test_addresses_of_a_link_alone_are_left_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    addresses = [
        {"family": "inet", "local": "127.0.0.1", "scope": "host"},
        {"family": "inet", "local": "192.0.2.7", "scope": "global"},
        {"family": "inet6", "local": "fe80::7", "scope": "link"},
        {"family": "inet6", "local": "2001:db8::7", "scope": "global"},
    ]
    fake = tmp_path / "ip"
    fake.write_text(f"#!/bin/sh\necho '{json.dumps([{'addr_info': addresses}, {}])}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    hosts = machine.hosts()
    assert {"192.0.2.7", "[2001:db8::7]"} <= set(hosts)
    assert not [host for host in hosts if "fe80" in host]


def test_the_site_answers_to_the_names_that_a_cloud_gives(machine: Machine) -> None:
    metadata = {"public-ipv4": "203.0.113.25"}
    machine.instance_data.write_text(json.dumps({"ds": {"meta-data": metadata}}))
    assert "203.0.113.25" in machine.hosts()


@pytest.mark.parametrize("given", ["", "*", "*,example.org", "example.org *"])
def test_the_site_never_answers_to_every_name(machine: Machine, given: str) -> None:
    machine.bake(SITE_HOSTS=given)
    hosts = machine.hosts()
    assert "*" not in hosts
    assert "" not in hosts


def test_a_name_is_listed_once(machine: Machine) -> None:
    machine.bake(SITE_HOSTS="localhost,example.org localhost")
    hosts = machine.hosts()
    assert sorted(hosts) == sorted(set(hosts))


def test_a_wildcard_of_the_operator_is_refused_and_told(machine: Machine) -> None:
    machine.site_env.write_text("ALLOWED_HOSTS=a.example,*\n")
    assert "*" not in machine.hosts()
    assert "127.0.0.1" in machine.hosts()
    assert [problem for problem in settings.load().problems if "ALLOWED_HOSTS" in problem]


def test_hosts_of_the_operator_are_taken_as_they_are(machine: Machine) -> None:
    machine.site_env.write_text("ALLOWED_HOSTS=a.example\n")
    assert machine.hosts() == ["a.example"]
