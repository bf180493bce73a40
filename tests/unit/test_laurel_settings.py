"""The settings of a machine, read from files in a folder of the test."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import settings
from laurel.errors import LaurelError
from laurel.settings import Settings

BAKED = {
    "ASGI_APPLICATION": "mysite.asgi:application",
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
        self.bake()

    def bake(self, **changed: str) -> None:
        lines = [f"{key}={value}\n" for key, value in {**BAKED, **changed}.items()]
        self.build_env.write_text("".join(lines))

    def hosts(self) -> list[str]:
        return settings.load().environment["ALLOWED_HOSTS"].split(",")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that was baked and has not booted."""
    machine = Machine(tmp_path)
    monkeypatch.setattr(settings, "BUILD_ENV", machine.build_env)
    monkeypatch.setattr(settings, "PROJECT_ENV", machine.project_env)
    monkeypatch.setattr(settings, "SITE_ENV", machine.site_env)
    monkeypatch.setattr(settings, "INSTANCE_DATA", machine.instance_data)
    return machine


# The files


def test_a_line_that_is_no_setting_is_named_with_its_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "site.env"
    path.write_text("# a comment\n\nREDIS_URL=redis://a\nnonsense\n9LIVES=1\nA B=1\n=1\nLAST=1")
    problems: list[str] = []
    assert settings.parse(path, problems) == {"REDIS_URL": "redis://a", "LAST": "1"}
    assert problems == [
        f"{path}, line {number}: not KEY=VALUE, left out" for number in (4, 5, 6, 7)
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a b", "a b"),
        ("'a b'", "a b"),
        ('"a b"', "a b"),
        ('"it\'s"', "it's"),
        ("'a' 'b'x", "'a' 'b'x"),
        ("'", "'"),
        ("abca", "abca"),
        ("a=b#c$d%e", "a=b#c$d%e"),
        ("", ""),
    ],
)
def test_a_value_is_what_follows_the_first_equals_sign(
    tmp_path: Path, written: str, meant: str
) -> None:
    path = tmp_path / "site.env"
    path.write_text(f"KEY={written}\n")
    assert settings.parse(path, []) == {"KEY": meant}


def test_a_file_that_is_missing_holds_nothing(tmp_path: Path) -> None:
    problems: list[str] = []
    assert settings.parse(tmp_path / "site.env", problems) == {}
    assert problems == []


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


def test_a_number_is_taken_as_it_is(machine: Machine) -> None:
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


@pytest.mark.parametrize("told_as", ["meta_data", "meta-data"])  # most clouds', and EC2's own
def test_the_site_answers_to_the_names_that_a_cloud_gives(machine: Machine, told_as: str) -> None:
    metadata = {
        "public-ipv4": "203.0.113.25",
        "public-hostname": "vm.cloud.example",
        "local-hostname": "ip-10-0-0-7",
        "public_ipv4": None,
        "ami-id": "ami-1",
    }
    machine.instance_data.write_text(json.dumps({"ds": {told_as: metadata}}))
    hosts = machine.hosts()
    assert {"203.0.113.25", "vm.cloud.example", "ip-10-0-0-7"} <= set(hosts)
    assert not {"ami-1", "None", ""} & set(hosts)


@pytest.mark.parametrize("text", ["", "not json", "{}", '{"ds": null}', '{"ds": {"meta_data": 0}}'])
def test_a_cloud_that_gives_no_names_is_no_error(machine: Machine, text: str) -> None:
    machine.instance_data.write_text(text)
    assert "example.org" in machine.hosts()


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


def test_secret_keys_are_long_and_never_the_same() -> None:
    made = {settings.new_secret_key() for _ in range(50)}
    assert len(made) == 50
    assert {len(key) for key in made} == {50}


def test_a_wildcard_of_the_operator_is_refused_and_told(machine: Machine) -> None:
    machine.site_env.write_text("ALLOWED_HOSTS=a.example,*\n")
    assert "*" not in machine.hosts()
    assert "127.0.0.1" in machine.hosts()
    assert [problem for problem in settings.load().problems if "ALLOWED_HOSTS" in problem]


def test_hosts_of_the_operator_are_taken_as_they_are(machine: Machine) -> None:
    machine.site_env.write_text("ALLOWED_HOSTS=a.example\n")
    assert machine.hosts() == ["a.example"]
