"""packer/nginx-binary.sh finds an nginx without installing one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


class Host:
    """A copy of the script, in a tree of its own, on a host with some programs."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.tools = folder / "build" / "tools"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.script = folder / "packer" / "nginx-binary.sh"
        self.script.parent.mkdir()
        shutil.copy(top / "packer" / "nginx-binary.sh", self.script)

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.script],
            env={"PATH": f"{self.bin}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def host(top: Path, tmp_path: Path) -> Host:
    """A host without nginx."""
    text = (top / "packer" / "nginx-binary.sh").read_text()
    assert text.count("command -v nginx") == 1
    host = Host(top, tmp_path)
    host.script.write_text(text.replace("command -v nginx", f"[ -x {host.bin}/nginx ]"))
    return host


def test_the_binary_runs(nginx_binary: str) -> None:
    shown = subprocess.run([nginx_binary, "-v"], capture_output=True, text=True, check=True)
    assert shown.stderr.startswith("nginx version: nginx/1.")


def test_an_installed_nginx_is_taken(top: Path, tmp_path: Path) -> None:
    host = Host(top, tmp_path)
    host.program("nginx", "exit 0")
    ran = host.run()
    assert (ran.returncode, ran.stdout) == (0, f"{host.bin}/nginx\n")
    assert not host.tools.exists()


@pytest.mark.parametrize("answer", ["", "echo '  Candidate: (none)'"])
def test_an_archive_without_nginx_is_explained(host: Host, answer: str) -> None:
    host.program("apt-cache", answer)
    ran = host.run()
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "run 'apt-get update', or install nginx" in ran.stderr


def test_a_download_that_fails_is_explained_and_leaves_nothing(host: Host) -> None:
    host.program("apt-cache", "echo '  Candidate: 1.2'")
    host.program("apt-get", "echo 'E: no network' >&2; exit 100")
    ran = host.run()
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "E: no network" in ran.stderr
    assert "could not download nginx 1.2" in ran.stderr
    assert list(host.tools.iterdir()) == []


def archive(host: Host, version: str, code: int = 0) -> None:
    """An archive whose nginx ends with `code`; downloads are noted."""
    host.program("apt-cache", f"echo '  Candidate: {version}'")
    host.program("apt-get", f"touch nginx_{version}.deb; echo x >>../downloads")
    host.program(
        "dpkg",
        'mkdir -p "$3/usr/sbin"; f=$3/usr/sbin/nginx\n'
        f"""printf '#!/bin/sh\\nexit {code}\\n' >"$f"; chmod 755 "$f" """,
    )


def downloads(host: Host) -> int:
    return len((host.tools / "downloads").read_text().splitlines())


def test_what_was_downloaded_is_kept(host: Host) -> None:
    archive(host, "1.2")
    binary = host.tools / "nginx" / "usr" / "sbin" / "nginx"
    assert [host.run().stdout for _ in range(2)] == [f"{binary}\n"] * 2
    assert downloads(host) == 1


@pytest.mark.parametrize(("version", "count"), [("1.2", 1), ("1.3", 2)])
def test_newer_package_lists_bring_a_download_only_for_another_version(
    host: Host, version: str, count: int
) -> None:
    archive(host, "1.2")
    host.run()
    os.utime(host.tools / "nginx" / "version", (1, 1))
    archive(host, version)
    assert host.run().returncode == 0
    assert downloads(host) == count
    assert (host.tools / "nginx" / "version").read_text() == f"{version}\n"


def test_what_does_not_run_is_not_kept(host: Host) -> None:
    archive(host, "1.2", code=1)
    ran = host.run()
    assert ran.returncode == 1
    assert "does not run here" in ran.stderr
    assert [path.name for path in host.tools.iterdir()] == ["downloads"]
