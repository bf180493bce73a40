"""`laurel configure`: what each boot works out."""

import grp
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from laurel import cli, cloud, identity, redis, settings, templates
from laurel.configure import configure


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
        self.build_env.write_text(
            "PROCESSES=2\nSITE_HOSTS=example.org\nTRUSTED_PROXIES=\nSETTINGS_MODULE=mysite.settings\n"
            "PROCFILE=\nMEDIA_URL=\nASGI_APPLICATION=mysite.asgi:application\nASGI_SERVER=daphne\n"
            "HTTP_SERVER=same\nASGI_PATHS=\nASGI_HOSTS=\nPROCESS_MANAGER=supervisor\n"
            "BIND_ADDRESS=127.0.0.1\nBIND_PORT=8000\n"
        )
        self.instance_id.parent.mkdir()
        self.is_instance("i-one")
        self.machine_id.write_text("1" * 32 + "\n")

    def is_instance(self, name: str) -> None:
        self.instance_id.write_text(f"{name}\n")

    def secrets(self) -> list[str]:
        lines = self.site_env.read_text().splitlines()
        return [line.partition("=")[2] for line in lines if line.startswith("SECRET_KEY=")]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that was baked with one template; its group `site` is this process's."""
    machine = Machine(tmp_path)
    template = tmp_path / "templates" / machine.conf.relative_to("/")
    template.parent.mkdir(parents=True)
    template.write_text("numprocs=@PROCESSES@\n")
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
    monkeypatch.setattr("laurel.configure.ENVIRONMENT", machine.environment)
    known = {"site": SimpleNamespace(gr_gid=os.getgid())}
    monkeypatch.setattr(grp, "getgrnam", known.__getitem__)
    return machine


def test_a_machine_without_a_secret_gets_one(machine: Machine) -> None:
    configure()
    (secret,) = machine.secrets()
    assert len(secret) == 50
    assert machine.site_env.stat().st_mode & 0o7777 == 0o640


def test_the_secret_is_the_same_at_the_next_boot(machine: Machine) -> None:
    configure()
    before = machine.site_env.read_text()
    configure()
    assert machine.site_env.read_text() == before


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_file_of_the_operator_is_kept_and_the_secret_added(machine: Machine, end: str) -> None:
    machine.site_env.write_text(f"# ours\nREDIS_URL=redis://10.0.0.9/1{end}")
    configure()
    text = machine.site_env.read_text()
    assert text.startswith(
        "# ours\nREDIS_URL=redis://10.0.0.9/1\n"
        "# Made here, for instance i-one: another instance makes its own.\nSECRET_KEY="
    )
    assert len(machine.secrets()) == 1


def test_a_secret_of_the_operator_is_kept(machine: Machine) -> None:
    machine.site_env.write_text("SECRET_KEY='mine'\n")
    current, _ = configure()
    assert machine.site_env.read_text() == "SECRET_KEY='mine'\n"
    assert current.environment["SECRET_KEY"] == "mine"


def test_a_file_that_anyone_may_read_is_closed(machine: Machine) -> None:
    machine.site_env.write_text("SECRET_KEY=mine\n")
    machine.site_env.chmod(0o644)
    configure()
    assert machine.site_env.stat().st_mode & 0o7777 == 0o640


def test_the_site_gets_its_environment_in_a_file_that_others_may_not_read(
    machine: Machine,
) -> None:
    machine.site_env.write_text('SECRET_KEY=a=b %$#\nexport GREETING="two words"\n')
    configure()
    lines = machine.environment.read_text().splitlines()
    assert "SECRET_KEY=a=b %$#" in lines
    assert "GREETING=two words" in lines
    assert machine.environment.stat().st_mode & 0o7777 == 0o640


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    _, first = configure()
    assert first == [machine.environment, machine.conf]
    _, second = configure()
    assert second == []


def test_a_change_of_the_operator_is_taken_up(machine: Machine) -> None:
    configure()
    with machine.site_env.open("a") as file:
        file.write("PROCESSES=5\n")
    _, changed = configure()
    assert changed == [machine.conf]
    assert machine.conf.read_text() == "numprocs=5\n"


def test_a_run_that_was_cut_is_finished_by_the_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: object) -> list[Path]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(templates, "render_all", cut)
        with pytest.raises(KeyboardInterrupt):
            configure()
    (secret,) = machine.secrets()
    configure()
    assert machine.secrets() == [secret]
    assert machine.conf.exists()
    assert machine.environment.exists()


def test_a_line_that_is_left_out_is_shown_and_the_rest_done(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.site_env.write_text("SECRET_KEY=mine\noops\n")
    assert cli._configure(cli._parser().parse_args(["configure"])) == 1
    assert capsys.readouterr().err == (
        f"laurel: {machine.site_env}, line 2: not KEY=VALUE, left out\n"
    )
    assert machine.conf.exists()


def test_a_cloud_that_tells_nothing_is_told_and_fails_no_boot(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloud, "ask", lambda: "no answer")
    assert cli._configure(cli._parser().parse_args(["configure"])) == 0
    assert "laurel: no answer\n" in capsys.readouterr().out
    assert machine.environment.exists()


def test_what_a_cloud_tells_reaches_the_site_at_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> None:
        cloud.ANSWER.write_text("203.0.113.25\n")

    monkeypatch.setattr(cloud, "ask", ask)
    configure()
    (hosts,) = re.findall("^ALLOWED_HOSTS=(.*)$", machine.environment.read_text(), re.MULTILINE)
    assert "203.0.113.25" in hosts.split(",")


def test_provisioning_leaves_the_files_to_their_steps(machine: Machine) -> None:
    configure(render=False)
    assert machine.environment.exists()
    assert not machine.conf.exists()


# Another instance on the same disk


def test_another_instance_has_an_identity_of_its_own(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.site_env.write_text("# ours\nMAX_BODY=1m\n")
    configure()
    (before,) = machine.secrets()
    assert machine.machine_id.read_text() == "1" * 32 + "\n"
    machine.is_instance("i-two")
    configure()
    (secret,) = machine.secrets()
    assert secret != before
    assert len(secret) == 50
    assert machine.site_env.read_text() == (
        "# ours\nMAX_BODY=1m\n"
        "# Made here, for instance i-two: another instance makes its own.\n"
        f"SECRET_KEY={secret}\n"
    )
    assert re.fullmatch(r"(?!1{32})[0-9a-f]{32}\n", machine.machine_id.read_text())
    assert machine.machine_id.stat().st_mode & 0o7777 == 0o444
    assert "was instance i-one and is i-two now" in capsys.readouterr().out


def test_the_same_instance_keeps_its_identity(machine: Machine) -> None:
    configure()
    machine.is_instance("i-two")
    configure()
    kept = machine.site_env.read_text(), machine.machine_id.read_text()
    configure()
    assert (machine.site_env.read_text(), machine.machine_id.read_text()) == kept


def test_another_instance_keeps_a_secret_that_it_was_given(machine: Machine) -> None:
    configure()
    machine.site_env.write_text("SECRET_KEY=mine\n")
    machine.is_instance("i-two")
    configure()
    assert machine.site_env.read_text() == "SECRET_KEY=mine\n"


def test_an_identity_that_was_cut_is_finished_by_the_next_run(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    (before,) = machine.secrets()
    machine.is_instance("i-two")

    def cut(path: Path, *_: object) -> bool:
        if path == machine.machine_id:
            raise KeyboardInterrupt
        return written(path, *_)

    written = identity.files.write
    with monkeypatch.context() as patch:
        patch.setattr(identity.files, "write", cut)
        with pytest.raises(KeyboardInterrupt):
            configure()
    configure()
    (secret,) = machine.secrets()
    assert secret != before
    assert machine.machine_id.read_text() != "1" * 32 + "\n"


def test_what_is_not_utf8_is_told_and_kept(machine: Machine) -> None:
    machine.site_env.write_bytes(b"# caf\xe9\nMAX_BODY=\xff\n")
    current, _ = configure()
    assert machine.site_env.read_bytes().startswith(b"# caf\xe9\nMAX_BODY=\xff\n# Made here")
    assert f"{machine.site_env}, line 2: not UTF-8, left out" in current.problems


def test_a_machine_without_cloud_init_makes_its_secret_once(machine: Machine) -> None:
    machine.instance_id.unlink()
    configure()
    before = machine.site_env.read_text()
    configure()
    assert machine.site_env.read_text() == before


def test_secret_keys_are_long_and_never_the_same() -> None:
    made = {identity.new_secret_key() for _ in range(50)}
    assert len(made) == 50
    assert {len(key) for key in made} == {50}


# Redis


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("redis://127.0.0.1:6379/3", True),
        ("redis://localhost", True),
        ("redis://[::1]:6379", True),
        ("unix:///run/redis/redis.sock", True),
        ("redis://10.0.0.9/1", False),
        ("rediss://redis.example:6380", False),
        ("redis+sentinel://10.0.0.9,10.0.0.10/main", False),
        ("redis+sentinel://127.0.0.1/main", False),
    ],
)
def test_a_redis_elsewhere_is_noted_for_systemd(machine: Machine, url: str, here: bool) -> None:
    machine.site_env.write_text(f"SECRET_KEY=mine\nREDIS_URL={url}\n")
    configure()
    assert machine.redis_elsewhere.exists() is not here
    machine.site_env.write_text("SECRET_KEY=mine\n")
    configure()
    assert not machine.redis_elsewhere.exists()
