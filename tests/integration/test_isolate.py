"""What a project can reach while it runs for the inspection, in a small root file system."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from run import as_root

PROGRAMS = ("bash", "cat", "env", "id", "ls", "rm", "setpriv", "setsid", "sleep", "touch", "umount")
Run = subprocess.CompletedProcess[str]
Probe = Callable[..., Run]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system with a shell and a few programs."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("dev", "proc", "run", "tmp", "var/tmp", "etc", "usr/sbin", "usr/bin"):
        (folder / name).mkdir(parents=True)
    (folder / "bin").symlink_to("usr/bin")
    needed = set()
    for name in PROGRAMS:
        program = shutil.which(name)
        assert program
        shutil.copy(program, folder / "usr/bin" / name)
        linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        needed |= set(re.findall(r"(/\S+) \(0x", linked))
    for library in needed:
        (folder / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, folder / library[1:])
    (folder / "etc/secret").write_text("of root")
    (folder / "etc/secret").chmod(0o600)
    for one in (folder, *folder.parents[:2]):
        one.chmod(0o755)
    return folder


@pytest.fixture
def probe(top: Path, root: Path, tmp_path: Path) -> Probe:
    """Runs a shell line as the project would run."""

    def run(line: str, mode: str = "probe", seconds: int = 20) -> Run:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        work.chmod(0o755)
        command = [
            str(top / "provision/isolate.sh"),
            mode,
            str(root),
            str(work),
            "bash",
            "-c",
            line,
        ]
        return subprocess.run(
            [*as_root(), "env", f"PROBE_SECONDS={seconds}", "SECRET=of-the-host", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_probe_has_neither_rights_nor_the_hosts_secrets(probe: Probe, tmp_path: Path) -> None:
    (tmp_path / "of-the-host").write_text("secret")
    ran = probe(f"id -u; cat /etc/secret; cat {tmp_path}/of-the-host; echo $SECRET; ls /proc; env")
    assert ran.stdout.startswith("65533\n")
    assert "secret" not in ran.stdout
    assert "of-the-host" not in ran.stdout
    assert "of root" not in ran.stdout
    processes = [line for line in ran.stdout.splitlines() if line.isdigit()]
    assert len(processes) < 6  # its own user number among them
    assert str(os.getpid()) not in processes[1:]


def test_probe_reaches_no_socket_of_the_host(probe: Probe) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        ran = probe(
            f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected; exec 3<>/dev/tcp/192.0.2.1/80"
        )
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()
    assert "connected" not in ran.stdout


def test_probe_writes_only_to_its_scratch_space(probe: Probe, root: Path) -> None:
    before = sorted(str(path) for path in root.rglob("*"))
    places = "/ /etc /usr/bin /run /run/laurel-work /dev /proc/sys/kernel /var"
    ran = probe(
        f"for place in {places}; do touch $place/mine && echo wrote $place; done;"
        " touch /tmp/mine && echo scratch"
    )
    assert ran.stdout == "scratch\n"
    assert sorted(str(path) for path in root.rglob("*")) == before


def test_endless_forks_and_time_end(probe: Probe, tmp_path: Path) -> None:
    began = time.monotonic()
    bomb = (
        f": {tmp_path}; sleep 1000 & bomb() {{ bomb | bomb & }}; bomb; while true; do sleep 1; done"
    )
    ran = probe(bomb, seconds=5)
    assert ran.returncode == 137
    assert time.monotonic() - began < 30
    # The kernel may still be removing the last ones.
    while subprocess.run(
        ["pgrep", "-f", f"^bash -c : {tmp_path};"], capture_output=True, check=False
    ).stdout:
        assert time.monotonic() - began < 40
        time.sleep(0.1)


def test_process_that_leaves_its_group_ends_too(probe: Probe) -> None:
    began = time.monotonic()
    assert probe("setsid sleep 40 & sleep 40", seconds=3).returncode == 137
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("mode", ["probe", "build"])
def test_neither_terminal_nor_host_can_be_reached(probe: Probe, tmp_path: Path, mode: str) -> None:
    (tmp_path / "of-the-host").write_text("found")
    line = f"cat /dev/tty; cat /proc/1/root{tmp_path}/of-the-host /proc/1/cwd{tmp_path}/of-the-host"
    ran = probe(line, mode=mode)
    assert "found" not in ran.stdout
    assert "/dev/tty: No such file" in ran.stderr


def test_memory_is_limited(probe: Probe) -> None:
    ran = probe("text=x; while true; do text+=$text; done; echo lived")
    assert ran.returncode != 0
    assert "lived" not in ran.stdout


def test_build_starts_no_service_and_leaves_nothing_behind(probe: Probe, root: Path) -> None:
    ran = probe("/usr/sbin/policy-rc.d; echo $?; touch /etc/made", mode="build")
    assert ran.returncode == 0, ran.stderr
    assert (root / "etc/made").exists()
    assert not (root / "usr/sbin/policy-rc.d").exists()
    assert "of-the-host" not in probe("env", mode="build").stdout
