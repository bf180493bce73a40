"""`laurel configure`: what each boot works out."""

import grp
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from laurel import cli, cloud, disk, files, identity, redis, settings, templates
from laurel.configure import configure

MADE = "# Made here, for instance {}: another instance makes its own.\n"
OLD_MACHINE_ID = "1" * 32 + "\n"


class Machine:
    """The files of a machine, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.build_env = folder / "etc" / "build.env"
        self.site_env = folder / "etc" / "site.env"
        self.environment = folder / "run" / "environment"
        self.instance_id = folder / "var" / "instance-id"
        self.machine_id = folder / "etc" / "machine-id"
        self.redis_elsewhere = folder / "run" / "redis-elsewhere"
        self.conf = folder / "etc" / "asgi.conf"
        self.build_env.parent.mkdir()
        self.build_env.write_text("PROCESSES=2\n")
        self.instance_id.parent.mkdir()
        self.is_instance("i-one")
        self.machine_id.write_text(OLD_MACHINE_ID)

    def is_instance(self, name: str) -> None:
        self.instance_id.write_text(f"{name}\n")

    @property
    def secret(self) -> str:
        (found,) = re.findall("^SECRET_KEY=(.*)$", self.site_env.read_text(), re.MULTILINE)
        assert len(found) == 50
        return str(found)

    def state(self) -> list[str]:
        return [path.read_text() for path in (self.site_env, self.machine_id, self.environment)]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that was baked with one template; its group `site` is this process's."""
    machine = Machine(tmp_path)
    template = tmp_path / "templates" / machine.conf.relative_to("/")
    template.parent.mkdir(parents=True)
    template.write_text("numprocs={{ processes }}\n")
    monkeypatch.setattr(templates, "TEMPLATES", tmp_path / "templates")
    monkeypatch.setattr(settings, "BUILD_ENV", machine.build_env)
    monkeypatch.setattr(settings, "PROJECT_ENV", tmp_path / "project.env")
    monkeypatch.setattr(settings, "SITE_ENV", machine.site_env)
    monkeypatch.setattr(cloud, "INSTANCE_DATA", tmp_path / "instance-data.json")
    monkeypatch.setattr(cloud, "ANSWER", tmp_path / "cloud-addresses")
    monkeypatch.setattr(identity, "SITE_ENV", machine.site_env)
    monkeypatch.setattr(identity, "INSTANCE_ID", machine.instance_id)
    monkeypatch.setattr(identity, "KNOWN_AS", tmp_path / "etc" / "instance-id")
    monkeypatch.setattr(identity, "MACHINE_ID", machine.machine_id)
    monkeypatch.setattr(redis, "ELSEWHERE", machine.redis_elsewhere)
    monkeypatch.setattr(disk, "keep_reserve", lambda: None)  # never on this host's own disk
    monkeypatch.setattr("laurel.configure.ENVIRONMENT", machine.environment)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr(grp, "getgrnam", {"site": SimpleNamespace(gr_gid=os.getgid())}.__getitem__)
    return machine


# The secret key and the machine-id


@pytest.mark.parametrize("given", ["", "# ours\nREDIS_URL=redis://10.0.0.9/1"])
def test_missing_secret_is_added_once(machine: Machine, given: str) -> None:
    """Also on a machine without cloud-init."""
    machine.instance_id.unlink()
    if given:
        machine.site_env.write_text(given)
    configure()
    text = f"{given}\n" if given else identity.HEADER
    made = f"{MADE.format('none')}SECRET_KEY={machine.secret}\n"
    assert machine.site_env.read_text() == text + made
    before = machine.state()
    configure()
    assert machine.state() == before


@pytest.mark.parametrize("line", ["SECRET_KEY='mine'\n", "export SECRET_KEY=mine\n"])
def test_given_secret_is_kept_and_closed_to_others(machine: Machine, line: str) -> None:
    machine.site_env.write_text(line)
    machine.site_env.chmod(0o644)
    assert configure().environment["SECRET_KEY"] == "mine"
    machine.is_instance("i-two")
    configure()
    assert machine.site_env.read_text() == line
    assert machine.site_env.stat().st_mode & 0o7777 == 0o640


def test_new_instance_gets_a_new_identity(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.site_env.write_text("# ours\nMAX_BODY=1m\n")
    configure()
    before = machine.secret
    assert machine.machine_id.read_text() == OLD_MACHINE_ID
    machine.is_instance("i-two")
    configure()
    assert machine.secret != before
    assert machine.site_env.read_text() == (
        f"# ours\nMAX_BODY=1m\n{MADE.format('i-two')}SECRET_KEY={machine.secret}\n"
    )
    assert re.fullmatch(r"(?!1{32})[0-9a-f]{32}\n", machine.machine_id.read_text())
    assert machine.machine_id.stat().st_mode & 0o7777 == 0o444
    assert "was instance i-one and is i-two now" in capsys.readouterr().out


def test_boot_without_the_cloud_keeps_the_identity(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    before = machine.state()
    for instance in (identity.NO_DATASOURCE, "i-one"):
        machine.is_instance(instance)
        configure()
        assert machine.state() == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["site_env", "machine_id", "environment"])
def test_interrupted_run_is_completed_by_the_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    configure()
    before = machine.secret
    machine.is_instance("i-two")
    write = files.write

    def interrupted(path: Path, *arguments: Any) -> bool:
        if path == getattr(machine, name):
            raise KeyboardInterrupt
        return write(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            configure()
    configure()
    assert machine.secret != before
    assert machine.machine_id.read_text() != OLD_MACHINE_ID
    assert f"SECRET_KEY={machine.secret}\n" in machine.environment.read_text()


def test_bytes_that_are_not_utf8_are_reported_and_kept(machine: Machine) -> None:
    machine.site_env.write_bytes(b"# caf\xe9\nMAX_BODY=\xff\n")
    problems = configure().problems
    assert machine.site_env.read_bytes().startswith(b"# caf\xe9\nMAX_BODY=\xff\n# Made here")
    assert [problem for problem in problems if f"{machine.site_env}, line 2: not UTF-8" in problem]


# What it writes for the site


def test_environment_is_literal_and_closed_to_others(machine: Machine) -> None:
    machine.site_env.write_text('SECRET_KEY=a=b %$#\nexport GREETING="two words"\n')
    configure()
    lines = machine.environment.read_text().splitlines()
    assert {"SECRET_KEY=a=b %$#", "GREETING=two words"} <= set(lines)
    assert machine.environment.stat().st_mode & 0o7777 == 0o640


def test_boot_renders_the_files_and_reports_problems(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.site_env.write_text("SECRET_KEY=mine\noops\n")
    assert cli.main(["configure"]) == 1
    assert f"laurel: {machine.site_env}, line 2: not KEY=VALUE" in capsys.readouterr().err
    assert machine.conf.read_text() == "numprocs=2\n"
    machine.site_env.write_text("SECRET_KEY=mine\nPROCESSES=5\n")
    assert cli.main(["configure"]) == 0
    assert machine.conf.read_text() == "numprocs=5\n"


def test_provisioning_leaves_the_files_to_its_steps(machine: Machine) -> None:
    assert cli.main(["configure", "--environment"]) == 0
    assert machine.environment.exists()
    assert not machine.conf.exists()


def test_boot_uses_the_clouds_last_answer(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloud, "ask", lambda: "no answer")
    cloud.ANSWER.write_text("203.0.113.25\n")
    assert cli.main(["configure"]) == 0
    assert "laurel: no answer\n" in capsys.readouterr().out
    (hosts,) = re.findall("^ALLOWED_HOSTS=(.*)$", machine.environment.read_text(), re.MULTILINE)
    assert "203.0.113.25" in hosts.split(",")


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("redis://localhost/3", True),
        ("unix:///run/redis/redis.sock", True),
        ("redis://10.0.0.9/1", False),
        ("redis+sentinel://127.0.0.1/main", False),
    ],
)
def test_redis_elsewhere_is_recorded_for_systemd(machine: Machine, url: str, here: bool) -> None:
    machine.site_env.write_text(f"SECRET_KEY=mine\nREDIS_URL={url}\n")
    configure()
    assert machine.redis_elsewhere.exists() is not here
    machine.site_env.write_text("SECRET_KEY=mine\n")
    configure()
    assert not machine.redis_elsewhere.exists()
