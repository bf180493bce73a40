"""packer/nginx-binary.sh finds an nginx without installing one."""

import os
import subprocess
from pathlib import Path

import pytest


class Host:
    """A host without nginx, and with stand-ins for apt and dpkg."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.tools = folder / "build" / "tools"
        self.bin = folder / "bin"
        self.script = folder / "packer" / "nginx-binary.sh"
        self.script.parent.mkdir()
        text = (top / "packer" / "nginx-binary.sh").read_text()
        assert text.count("command -v nginx") == 1
        self.script.write_text(text.replace("command -v nginx", f"ls {self.bin}/nginx 2>/dev/null"))
        self.script.chmod(0o755)

    def program(self, name: str, script: str) -> None:
        self.bin.mkdir(exist_ok=True)
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def archive(self, version: str, code: int = 0) -> None:
        """Give the archive an nginx that ends with `code`; downloads are counted."""
        self.program("apt-cache", f"echo '  Candidate: {version}'")
        self.program("apt-get", f"touch nginx_{version}.deb; echo x >>../downloads")
        self.program(
            "dpkg",
            'mkdir -p "$3/usr/sbin"; f=$3/usr/sbin/nginx\n'
            f"""printf '#!/bin/sh\\nexit {code}\\n' >"$f"; chmod 755 "$f" """,
        )

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
    return Host(top, tmp_path)


def test_found_nginx_runs(nginx_binary: str) -> None:
    shown = subprocess.run([nginx_binary, "-v"], capture_output=True, text=True, check=True)
    assert shown.stderr.startswith("nginx version: nginx/1.")


def test_installed_nginx_is_used(host: Host) -> None:
    host.program("nginx", "exit 0")
    ran = host.run()
    assert (ran.returncode, ran.stdout) == (0, f"{host.bin}/nginx\n")
    assert not host.tools.exists()


@pytest.mark.parametrize("answer", ["", "echo '  Candidate: (none)'"])
def test_archive_without_nginx_is_an_error(host: Host, answer: str) -> None:
    host.program("apt-cache", answer)
    ran = host.run()
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "run 'apt-get update', or install nginx" in ran.stderr


def test_failed_download_is_explained_and_leaves_nothing(host: Host) -> None:
    host.archive("1.2")
    host.program("apt-get", "echo 'E: no network' >&2; exit 100")
    ran = host.run()
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "E: no network" in ran.stderr
    assert "could not download nginx 1.2" in ran.stderr
    assert list(host.tools.iterdir()) == []


@pytest.mark.parametrize(("version", "downloads"), [("1.2", 1), ("1.3", 2)])
def test_only_another_version_is_downloaded_again(host: Host, version: str, downloads: int) -> None:
    host.archive("1.2")
    binary = host.tools / "nginx" / "usr" / "sbin" / "nginx"
    assert [host.run().stdout for _ in range(2)] == [f"{binary}\n"] * 2
    os.utime(host.tools / "nginx" / "version", (1, 1))  # older than the package lists
    host.archive(version)
    assert host.run().returncode == 0
    assert (host.tools / "downloads").read_text() == "x\n" * downloads
    assert (host.tools / "nginx" / "version").read_text() == f"{version}\n"


def test_nginx_that_does_not_run_is_not_kept(host: Host) -> None:
    host.archive("1.2", code=1)
    ran = host.run()
    assert ran.returncode == 1
    assert "does not run here" in ran.stderr
    assert [path.name for path in host.tools.iterdir()] == ["downloads"]
