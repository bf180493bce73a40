"""The tar file that is carried to the machine that bakes."""

import os
import subprocess
import tarfile
from pathlib import Path

import payload
import pytest


class Sources:
    """A tiny provision/ and a project in a git repository, and the payload of both."""

    def __init__(self, folder: Path) -> None:
        self.provision = folder / "provision"
        self.project = folder / "myproject"
        self.target = folder / "payload.tar.gz"
        self.uv = folder / "uv"
        for path in (
            self.provision / "provision.sh",
            self.provision / "steps" / "10-packages.sh",
            self.project / "manage.py",
            self.project / "chat" / "views.py",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.name}\n")
        self.uv.write_text("a program")
        for program in (self.provision / "provision.sh", self.uv):
            program.chmod(0o755)
        if os.geteuid() == 0:  # or every file would be root's already
            os.chown(self.provision / "provision.sh", 65534, 65534)
        subprocess.run(["git", "init", "-q"], cwd=self.project, check=True)
        (self.project / ".gitignore").write_text("db.sqlite3\n.env\n")
        (self.project / "db.sqlite3").write_text("people's data")
        (self.project / ".env").write_text("SECRET_KEY=x\n")

    def write(self, dirty: bool = False) -> dict[str, tarfile.TarInfo]:
        payload.write(
            self.target,
            provision=self.provision,
            project=self.project,
            settings="PROCESSES=2\nSITE_HOSTS=é\n",
            revision="abc123",
            dirty=dirty,
            uv=self.uv,
        )
        with tarfile.open(self.target) as tar:
            return {member.name: member for member in tar}

    def text(self, name: str) -> str:
        with tarfile.open(self.target) as tar:
            file = tar.extractfile(name)
            assert file
            return file.read().decode()


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Sources, with nothing of this host's environment."""
    for name in (*payload.PROXIES, *(name.upper() for name in payload.PROXIES), "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Sources(tmp_path)


def test_its_layout_is_what_provision_sh_expects_around_itself(sources: Sources) -> None:
    assert {
        "provision/provision.sh",
        "provision/steps/10-packages.sh",
        "app/manage.py",
        "app/chat/views.py",
        "bin/uv",
        "settings.env",
        "build.env",
    } <= set(sources.write())
    assert sources.text("app/chat/views.py") == "views.py\n"
    assert sources.text("settings.env") == "PROCESSES=2\nSITE_HOSTS=é\n"


def test_programs_stay_executable(sources: Sources) -> None:
    members = sources.write()
    assert members["provision/provision.sh"].mode & 0o111
    assert members["bin/uv"].mode & 0o111
    assert not members["app/manage.py"].mode & 0o111


def test_who_built_it_is_not_told(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(sources.project / "manage.py"))
    for member in sources.write().values():
        assert (member.uid, member.gid) == (0, 0)
        assert {member.uname, member.gname} <= {"root", ""}
        assert "myproject" not in member.name


def test_what_git_ignores_is_not_carried(sources: Sources) -> None:
    assert not {"app/db.sqlite3", "app/.env"} & set(sources.write())


def test_a_ca_bundle_is_carried_only_where_the_host_names_one(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "ca.pem" not in sources.write()
    (tmp_path / "bundle.pem").write_text("certificates\n")
    (tmp_path / "link.pem").symlink_to("bundle.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "link.pem"))
    assert sources.write()["ca.pem"].isfile()
    assert sources.text("ca.pem") == "certificates\n"


@pytest.mark.parametrize(("dirty", "told"), [(False, "no"), (True, "yes")])
def test_the_revision_is_told_and_whether_it_is_dirty(
    sources: Sources, dirty: bool, told: str
) -> None:
    sources.write(dirty)
    assert sources.text("build.env") == f"SOURCE_REVISION=abc123\nSOURCE_DIRTY={told}\n"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_a_proxy_is_for_the_build_alone(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://proxy.example:3128/?a&b")
    sources.write()
    assert "proxy" not in sources.text("settings.env")
    shown = subprocess.run(
        ["bash", "-c", 'source /dev/stdin; printf %s "$https_proxy"'],
        input=sources.text("build.env"),
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "http://proxy.example:3128/?a&b"
