"""15-environment.sh adds servers as servers.txt locks them, around the project's own packages.

A folder of tiny wheels is the package index.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import payload
import pytest
from laurel import servers
from project import pins


def wheel(folder: Path, name: str, version: str, *requires: str) -> str:
    """Make a wheel; return its entry of a lock."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", *metadata, ""]))
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via x\n"


class Machine:
    """A virtualenv, an index, and add_packages of the step."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.provision = shutil.copytree(top / "provision", folder / "provision")
        self.step = top / "provision" / "steps" / "15-environment.sh"
        self.lock = ""
        self.uv("venv", "--python", sys.executable, str(folder / "venv"))

    def uv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.settings}
        return subprocess.run(
            [payload.UV, *arguments], env=environment, capture_output=True, text=True, check=True
        )

    @property
    def settings(self) -> dict[str, str]:
        return {
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(self.folder / "cache"),
            "UV_LINK_MODE": "copy",
        }

    def add(self, *packages: str) -> subprocess.CompletedProcess[str]:
        (self.provision / "servers.txt").write_text(self.lock)
        script = f"""
            source '{self.provision}/lib.sh'
            eval "$(sed -n '/^\\(install_packages\\|add_packages\\)() {{$/,/^}}$/p' '{self.step}')"
            uv='{payload.UV}' work='{self.folder}' environment="$work/venv" said="$work/said"
            add_packages {" ".join(packages)}
        """
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, **self.settings, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> list[str]:
        return self.uv("pip", "freeze", "--python", str(self.folder / "venv")).stdout.split()


@pytest.fixture
def machine(top: Path, tmp_path: Path) -> Machine:
    """The server `serve`, which needs `wire`, is locked; the index also has newer versions."""
    made = Machine(top, tmp_path)
    made.lock = "# by make lock\n"
    made.lock += wheel(made.wheels, "serve", "1.0", "wire>=1") + wheel(made.wheels, "wire", "1.5")
    wheel(made.wheels, "serve", "2.0", "wire>=1")
    wheel(made.wheels, "wire", "2.0")
    wheel(made.wheels, "wire", "1.0")
    return made


def test_server_and_its_dependencies_have_the_locked_versions(machine: Machine) -> None:
    added = machine.add("serve")
    assert added.returncode == 0, added.stderr
    assert machine.installed() == ["serve==1.0", "wire==1.5"]


def test_projects_own_version_stays(machine: Machine) -> None:
    machine.uv("pip", "install", "--python", str(machine.folder / "venv"), "wire==1.0")
    assert machine.add("serve").returncode == 0
    assert machine.installed() == ["serve==1.0", "wire==1.0"]


@pytest.mark.parametrize("name", ["serve", "wire"])
def test_other_content_than_the_locked_is_refused(machine: Machine, name: str) -> None:
    version = {"serve": "1.0", "wire": "1.5"}[name]
    wheel(machine.wheels, name, version, *(["wire>=1", "other"] if name == "serve" else ["other"]))
    wheel(machine.wheels, "other", "1.0")
    added = machine.add("serve")
    assert added.returncode == 1
    assert "Hash mismatch" in added.stderr
    assert machine.installed() == []


def test_another_version_is_used_if_the_locked_one_does_not_fit(machine: Machine) -> None:
    wheel(machine.wheels, "serve", "0.9", "wire<1")
    wheel(machine.wheels, "wire", "0.5")
    machine.uv("pip", "install", "--python", str(machine.folder / "venv"), "wire==0.5")
    added = machine.add("serve")
    assert added.returncode == 0, added.stderr
    assert "do not fit the project's packages" in added.stdout
    assert machine.installed() == ["serve==0.9", "wire==0.5"]


def test_project_without_a_fitting_version_keeps_its_own(machine: Machine) -> None:
    wheel(machine.wheels, "wire", "0.5")
    machine.uv("pip", "install", "--python", str(machine.folder / "venv"), "wire==0.5")
    assert machine.add("serve").returncode == 1
    assert machine.installed() == ["wire==0.5"]


def test_every_server_is_locked() -> None:
    lock = pins.LOCK.read_text()
    names = [*servers.names("asgi"), *servers.names("wsgi")]
    packages = [package for name in names for package in servers.read(name).packages]
    for package in [*packages, "channels-redis"]:
        assert f"\n{package.partition('>')[0]}==" in lock


def test_packages_from_a_url_are_not_pinned_twice() -> None:
    lock = "# x\na==1 \\\n    --hash=sha256:0\nB_c==2 ; python_version < '3'\n"
    installed = "a @ git+https://example.com/a\n-e file:///b\nd==3+local\n"
    assert list(pins.constraints(installed, lock)) == [
        "d==3+local",
        "B_c==2 ; python_version < '3'",
    ]
