"""A cloud's resolver, with dnsmasq, as QEMU sees it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machine import MachineError, resolver
from machine.resolver import Resolver

NAME, ADDRESS = "metadata.google.internal", "169.254.169.254"
START = """
import os, signal, subprocess
from pathlib import Path
from machine.resolver import Resolver
resolver = Resolver({"a.example": "192.0.2.1"}, Path(os.environ["FOLDER"]))
pid = int(Path(os.environ["FOLDER"], "resolver.pid").read_text())
"""


def run_alone(top: Path, folder: Path, script: str) -> int:
    """Run a program in a process group of its own, and return its exit status."""
    environment = os.environ | {"PYTHONPATH": str(top / "tests"), "FOLDER": str(folder)}
    program = [sys.executable, "-c", START + script]
    return subprocess.run(program, env=environment, start_new_session=True, check=False).returncode


def test_only_the_clouds_names_are_known(tmp_path: Path) -> None:
    running = Resolver({NAME: ADDRESS}, tmp_path)
    try:
        look_up = running.around(["getent", "ahostsv4", NAME, "example.com"])
        found = subprocess.run(look_up, capture_output=True, text=True, check=False)
    finally:
        running.close()
    assert found.returncode == 2, "example.com is unknown"
    assert set(re.findall(r"^(\S+) +STREAM", found.stdout, re.MULTILINE)) == {ADDRESS}
    assert "127." in (tmp_path / "resolv.conf").read_text()
    assert Path("/etc/resolv.conf").read_text() != (tmp_path / "resolv.conf").read_text()


def test_resolver_dies_with_its_parent(top: Path, tmp_path: Path) -> None:
    assert run_alone(top, tmp_path, "os.kill(os.getpid(), signal.SIGKILL)") == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while (tmp_path / "resolver.pid").exists():  # dnsmasq removes it when it ends
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_resolver_ignores_terminal_signals(
    top: Path, tmp_path: Path, number: signal.Signals
) -> None:
    script = f"""
signal.signal({number}, lambda *_: None)
os.killpg(0, {number})
subprocess.run(resolver.around(["getent", "ahostsv4", "a.example"]), check=True)
resolver.close()
assert not Path(f"/proc/{{pid}}").exists()
"""
    assert run_alone(top, tmp_path, script) == 0


def test_missing_program_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "PROGRAM", "no-such-dnsmasq")
    with pytest.raises(MachineError, match="no-such-dnsmasq"):
        Resolver({NAME: ADDRESS}, tmp_path)
