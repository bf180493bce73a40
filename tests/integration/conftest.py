"""What several files of integration tests need: the unit tests' fixtures, and real programs."""

import subprocess
from pathlib import Path

import pytest
from unit.conftest import machine_files, make_settings, plain_project, production, top

__all__ = ["machine_files", "make_settings", "nginx_binary", "plain_project", "production", "top"]


@pytest.fixture(scope="session")
def nginx_binary(top: Path) -> str:
    """Path of an nginx executable, unpacked from the host's archive if none is installed."""
    found = subprocess.run(
        [top / "tests" / "nginx-binary.sh"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()
