"""Clear errors if Vagrant's machine cannot be used, from a program named vagrant."""

from pathlib import Path

import pytest
from machine import MachineError
from machine.vagrant import vagrant_host


def test_stopped_or_missing_machine_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="vagrant is not installed: run `make vagrant`"):
        vagrant_host(tmp_path)
    program = tmp_path / "vagrant"
    program.write_text("#!/bin/sh\necho Not ready for SSH >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(MachineError, match=r"run `make vagrant` first\nNot ready for SSH"):
        vagrant_host(tmp_path)
