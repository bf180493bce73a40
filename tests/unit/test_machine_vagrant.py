"""Where Vagrant's machine is, as a program of that name tells."""

from pathlib import Path

import pytest
from machine import MachineError
from machine.vagrant import insecure_key, vagrant_host

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
    """Put a `vagrant` that is this shell script in front of any other."""
    program = folder / "vagrant"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_login_is_that_of_vagrants_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(SSH_CONFIG)
    vagrant(tmp_path, monkeypatch, f'test "$*" = "ssh-config default" && cat {tmp_path}/config')
    with vagrant_host(tmp_path) as host:
        login = host.login
        assert host.url.startswith("http://127.0.0.1:")
    assert str(login) == "vagrant@192.0.2.7:2201"
    assert login.key == Path("/home/a b/private_key")
    assert not login.known_hosts


def test_a_machine_that_does_not_run_is_told_with_vagrants_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vagrant(tmp_path, monkeypatch, "echo The machine is not ready for SSH >&2; exit 1")
    with pytest.raises(MachineError, match=r"run `make vagrant` first\nThe machine is not ready"):
        vagrant_host(tmp_path)


def test_without_vagrant_it_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="vagrant is not installed: run `make vagrant`"):
        vagrant_host(tmp_path)


def test_the_key_of_every_box_is_in_vagrants_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "machine.vagrant.GEMS", (str(tmp_path / "debian"), str(tmp_path / "hashicorp"))
    )
    with pytest.raises(MachineError, match="vagrant is not installed"):
        insecure_key()
    for other in ("vagrant-2.3.4/keys/vagrant.pub", "vagrant-spec-1.0/keys/vagrant"):
        (tmp_path / "hashicorp" / other).parent.mkdir(parents=True)
        (tmp_path / "hashicorp" / other).touch()
    key = tmp_path / "hashicorp" / "vagrant-2.3.4/keys/vagrant"
    key.touch()
    assert insecure_key() == key
