"""The tar file for the build machine."""

import os
import subprocess
import tarfile
from pathlib import Path

import payload
import pytest


class Sources:
    """A tiny provision/, a project in a git repository, and the payload of both."""

    def __init__(self, folder: Path) -> None:
        self.provision = folder / "provision"
        self.project = folder / "myproject"
        self.target = folder / "payload.tar.gz"
        self.uv = folder / "uv"
        for path in (self.provision / "provision.sh", self.project / "chat" / "views.py", self.uv):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.name}\n")
        for program in (self.provision / "provision.sh", self.uv):
            program.chmod(0o755)
        if os.geteuid() == 0:  # otherwise root already owns every file
            os.chown(self.provision / "provision.sh", 65534, 65534)
        subprocess.run(["git", "init", "-q"], cwd=self.project, check=True)
        (self.project / ".gitignore").write_text("db.sqlite3\n")
        (self.project / "db.sqlite3").write_text("people's data")

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
    """Sources, without this host's proxies and CA bundle."""
    for name in (*payload.PROXIES, *(name.upper() for name in payload.PROXIES), "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Sources(tmp_path)


def test_payload_has_the_layout_that_provision_sh_expects(sources: Sources) -> None:
    members = sources.write()
    assert set(members) == {
        "provision/provision.sh",
        "app/.gitignore",
        "app/chat/views.py",
        "bin/uv",
        "settings.env",
        "build.env",
    }
    assert sources.text("app/chat/views.py") == "views.py\n"
    assert sources.text("settings.env") == "PROCESSES=2\nSITE_HOSTS=é\n"
    executable = {name for name, member in members.items() if member.mode & 0o111}
    assert executable == {"provision/provision.sh", "bin/uv"}


def test_payload_does_not_say_who_built_it(sources: Sources) -> None:
    for member in sources.write().values():
        assert (member.uid, member.gid) == (0, 0)
        assert {member.uname, member.gname} <= {"root", ""}


def test_ca_bundle_of_the_host_is_included(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle.pem").write_text("certificates\n")
    (tmp_path / "link.pem").symlink_to("bundle.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "link.pem"))
    assert sources.write()["ca.pem"].isfile()
    assert sources.text("ca.pem") == "certificates\n"


@pytest.mark.parametrize(("dirty", "text"), [(False, "no"), (True, "yes")])
def test_revision_is_in_build_env(sources: Sources, dirty: bool, text: str) -> None:
    sources.write(dirty)
    assert sources.text("build.env") == f"SOURCE_REVISION=abc123\nSOURCE_DIRTY={text}\n"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_proxy_is_in_build_env_alone(
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
