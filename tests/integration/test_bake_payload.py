"""The tar file for the build machine."""

import os
import subprocess
import tarfile
from pathlib import Path

import payload
import pytest
from sources import release


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny provision/, a project in a git repository, and a program uv.

    The environment has no proxies and no CA bundle.
    """
    for name in (*payload.PROXIES, *(name.upper() for name in payload.PROXIES), "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    programs = tmp_path / "provision" / "provision.sh", tmp_path / "uv"
    project = tmp_path / "myproject"
    for path in (*programs, project / "chat" / "views.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.name}\n")
    for program in programs:
        program.chmod(0o755)
    if os.geteuid() == 0:  # otherwise root already owns every file
        os.chown(programs[0], 65534, 65534)
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    (project / ".gitignore").write_text("db.sqlite3\n")
    (project / "db.sqlite3").write_text("people's data")
    return tmp_path


def written(
    sources: Path, *, dirty: bool = False, found: str = "", lock: str = ""
) -> dict[str, tuple[tarfile.TarInfo, str]]:
    """Write a payload; return its members and their contents by name."""
    target = sources / "payload.tar.gz"
    payload.write(
        target,
        provision=sources / "provision",
        project=sources / "myproject",
        files=release(sources / "myproject").paths,
        settings="PROCESSES=2\nSITE_HOSTS=é\n",
        found=found,
        lock=lock,
        revision="abc123",
        dirty=dirty,
        project_revision="def456",
        project_dirty=not dirty,
        uv=sources / "uv",
    )
    with tarfile.open(target) as tar:
        return {member.name: (member, tar.extractfile(member).read().decode()) for member in tar}


def test_payload_has_the_layout_that_provision_sh_expects(sources: Path) -> None:
    members = written(sources)
    assert {name: text for name, (_, text) in members.items()} == {
        "provision/provision.sh": "provision.sh\n",
        "app/.gitignore": "db.sqlite3\n",
        "app/chat/views.py": "views.py\n",
        "bin/uv": "uv\n",
        "settings.env": "PROCESSES=2\nSITE_HOSTS=é\n",
        "build.env": "SOURCE_REVISION=abc123\nSOURCE_DIRTY=no\n"
        "PROJECT_REVISION=def456\nPROJECT_DIRTY=yes\n",
    }
    executable = {name for name, (member, _) in members.items() if member.mode & 0o111}
    assert executable == {"provision/provision.sh", "bin/uv"}
    for member, _ in members.values():  # not who built it
        assert (member.uid, member.gid) == (0, 0)
        assert {member.uname, member.gname} <= {"root", ""}


def test_answers_and_lock_are_included_and_readable_without_rights(sources: Path) -> None:
    members = written(sources, found="PAGE_PATH=/a/\n", lock="django==5.2\n")
    for name, text in (("found.env", "PAGE_PATH=/a/\n"), ("requirements.lock", "django==5.2\n")):
        member, content = members[name]
        assert (member.mode, content) == (0o644, text)


def test_build_environment_of_the_host_is_included(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sources / "bundle.pem").write_text("certificates\n")
    (sources / "link.pem").symlink_to("bundle.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(sources / "link.pem"))
    monkeypatch.setenv("http_proxy", "http://lower.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128/?a&b")
    members = written(sources, dirty=True)
    bundle, certificates = members["ca.pem"]
    assert bundle.isfile()
    assert certificates == "certificates\n"
    assert "SOURCE_DIRTY=yes\n" in members["build.env"][1]
    assert "PROJECT_DIRTY=no\n" in members["build.env"][1]
    assert "proxy" not in members["settings.env"][1]
    shown = subprocess.run(
        ["bash", "-c", 'source /dev/stdin; printf %s "$http_proxy $https_proxy"'],
        input=members["build.env"][1],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "http://lower.example http://proxy.example:3128/?a&b"
