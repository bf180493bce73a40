"""`laurel configure`: what each boot works out."""

import grp
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from laurel import cli, settings, templates
from laurel.configure import configure


class Machine:
    """The files of a machine, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.build_env = folder / "etc" / "build.env"
        self.site_env = folder / "etc" / "site.env"
        self.environment = folder / "run" / "environment"
        self.conf = folder / "etc" / "asgi.conf"
        self.build_env.parent.mkdir()
        self.build_env.write_text(
            "PROCESSES=2\nSITE_HOSTS=example.org\nTRUSTED_PROXIES=\nSETTINGS_MODULE=mysite.settings\n"
            "PROCFILE=\nMEDIA_URL=\n"
        )

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
    monkeypatch.setattr(settings, "INSTANCE_DATA", tmp_path / "instance-data.json")
    monkeypatch.setattr("laurel.configure.SITE_ENV", machine.site_env)
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
    assert text.startswith("# ours\nREDIS_URL=redis://10.0.0.9/1\nSECRET_KEY=")
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
    machine.site_env.write_text('SECRET_KEY=a=b %$#\nGREETING="two words"\n')
    configure()
    lines = machine.environment.read_text().splitlines()
    assert "SECRET_KEY=a=b %$#" in lines
    assert "GREETING=two words" in lines
    assert machine.environment.stat().st_mode & 0o7777 == 0o640


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    _, first = configure()
    assert first == [machine.conf, machine.environment]
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


def test_provisioning_leaves_the_files_to_their_steps(machine: Machine) -> None:
    configure(render=False)
    assert machine.environment.exists()
    assert not machine.conf.exists()
