"""The address of Vagrant's machine, from a program named vagrant."""

from pathlib import Path

import pytest
from machine import MachineError
from machine.vagrant import vagrant_host

SSH_CONFIG = """
Host default
  HostName 192.0.2.7
  User vagrant
  Port 2201
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "/home/a b/private_key"
  IdentitiesOnly yes
"""


def vagrant(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script named `vagrant` on PATH."""
    program = folder / "vagrant"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_login_is_that_of_vagrants_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(SSH_CONFIG)
    vagrant(tmp_path, monkeypatch, f'test "$*" = "ssh-config default" && cat {tmp_path}/config')
    with vagrant_host(tmp_path) as host:
        assert host.url.startswith("http://127.0.0.1:")
    assert str(host.login) == "vagrant@192.0.2.7:2201"
    assert host.login.key == Path("/home/a b/private_key")


def test_stopped_machine_is_reported_with_vagrants_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vagrant(tmp_path, monkeypatch, "echo The machine is not ready for SSH >&2; exit 1")
    with pytest.raises(MachineError, match=r"run `make vagrant` first\nThe machine is not ready"):
        vagrant_host(tmp_path)


def test_missing_vagrant_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="vagrant is not installed: run `make vagrant`"):
        vagrant_host(tmp_path)
