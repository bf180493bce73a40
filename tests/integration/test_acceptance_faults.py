"""`make acceptance-faults` reports checks that prove nothing."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from acceptance.faults import Fault, prove

CONFTEST = """
def pytest_addoption(parser):
    for name in ("--host", "--key", "--url"):
        parser.addoption(name)
"""
CHECKS = """
from pathlib import Path
import pytest
pytestmark = pytest.mark.parametrize("stage", ["as-found"])
broken = Path(__file__).with_name("broken").exists()

def test_sound(stage):
    assert not broken

def test_always_fails(stage):
    assert False

def test_always_passes(stage):
    assert True

def test_loses_its_connection(stage):
    if broken:
        raise OSError("connection lost")
"""


def test_only_sound_check_counts_as_catch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_fake.py").write_text(CHECKS)
    # A machine whose only state is the file `broken` in the checks' folder.
    machine: Any = SimpleNamespace(
        login=SimpleNamespace(user="admin", key="key"),
        ssh_port=22,
        url="http://127.0.0.1",
        restore=lambda _: (tmp_path / "broken").unlink(missing_ok=True),
        succeed=lambda command: subprocess.run([command, "broken"], cwd=tmp_path, check=True),
    )
    verdicts = {
        "sound": "check passed unbroken, fault caught",
        "always_fails": "check did NOT pass unbroken",
        "always_passes": "check passed unbroken, fault MISSED",
        "loses_its_connection": "check passed unbroken, fault MISSED",
    }
    faults = [Fault(name, "touch", f"test_fake.py::test_{name}") for name in verdicts]
    assert prove(machine, faults, tmp_path) == faults[1:]
    output = capsys.readouterr().out
    assert [name for name, told in verdicts.items() if f"{told}: {name} " not in output] == []
    missing = Fault("a fault", "touch", "test_fake.py::test_missing")
    assert prove(machine, [missing], tmp_path) == [missing]
