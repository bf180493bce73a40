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


@pytest.mark.parametrize("code", [0, 1], ids=["runs", "does not run"])
def test_what_was_downloaded_is_kept_if_it_runs(host: Host, code: int) -> None:
    host.program("apt-cache", "echo '  Candidate: 1.2'")
    host.program("apt-get", "touch nginx_1.2.deb; echo x >>../downloads")
    host.program(
        "dpkg",
        'mkdir -p "$3/usr/sbin"; f=$3/usr/sbin/nginx\n'
        f"""printf '#!/bin/sh\\nexit {code}\\n' >"$f"; chmod 755 "$f" """,
    )
    first, second = host.run(), host.run()
    binary = host.tools / "nginx" / "usr" / "sbin" / "nginx"
    downloads = len((host.tools / "downloads").read_text().splitlines())
    if code == 0:
        assert (first.stdout, second.stdout) == (f"{binary}\n", f"{binary}\n")
        assert downloads == 1
    else:
        assert first.returncode == second.returncode == 1
        assert "does not run here" in first.stderr
        assert downloads == 2
        assert not binary.exists()
