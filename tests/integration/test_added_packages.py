"""15-environment.sh installs the project's lock, and adds servers as servers.txt locks them.

A folder of tiny wheels is the package index.
"""

import hashlib
import os
import re
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
    """A virtualenv, an index, and the functions of the step, without another user."""

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
        return self.run(f"add_packages {' '.join(packages)}")

    def install(self, file: str, text: str) -> subprocess.CompletedProcess[str]:
        """Install a file of requirements, or a lock, of the project."""
        (self.folder / file).write_text(text)
        converted = 'requirements=$(as_requirements "$work/requirements.txt")'
        return self.run(f"file='{self.folder / file}'\n{converted}\ninstall_requirements")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command that may call each function of the step."""
        functions = re.findall(r"^\w+\(\) \{$.*?^\}$", self.step.read_text(), re.M | re.S)
        script = "\n".join(
            [
                f"source '{self.provision}/lib.sh'",
                *functions,
                'as_installer() { "$@"; }',
                f"uv='{payload.UV}' work='{self.folder}' payload='{self.folder}/payload'",
                'environment="$work/venv" said="$work/said"',
                command,
            ]
        )
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


def test_requirements_are_resolved_once_with_hashes(machine: Machine) -> None:
    assert machine.install("requirements.in", "serve\n").returncode == 0
    assert machine.installed() == ["serve==2.0", "wire==2.0"]
    lock = (machine.folder / "lock.txt").read_text()
    assert re.findall(r"^\S+|--hash=sha256", lock, re.M) == [
        *("serve==2.0", "--hash=sha256", "wire==2.0", "--hash=sha256")
    ]


def test_lock_of_an_earlier_bake_decides_the_versions(machine: Machine) -> None:
    (machine.folder / "payload").mkdir()
    (machine.folder / "payload" / "requirements.lock").write_text(machine.lock)
    assert machine.install("requirements.in", "serve\n").returncode == 0
    assert machine.installed() == ["serve==1.0", "wire==1.5"]
    wheel(machine.wheels, "serve", "1.0", "wire>=1.0")
    machine.uv("pip", "uninstall", "--python", str(machine.folder / "venv"), "serve")
    shutil.rmtree(machine.folder / "cache")
    installed = machine.install("requirements.in", "serve\n")
    assert installed.returncode == 1
    assert "Hash mismatch" in installed.stderr


def test_requirements_with_hashes_are_their_own_lock(machine: Machine) -> None:
    assert machine.install("requirements.txt", machine.lock).returncode == 0
    assert machine.installed() == ["serve==1.0", "wire==1.5"]
    assert not (machine.folder / "lock.txt").exists()


def test_unsolvable_requirements_are_refused(machine: Machine) -> None:
    installed = machine.install("requirements.in", "serve==2.0\nwire<1\n")
    assert installed.returncode == 1
    assert "No solution found" in installed.stderr
    assert machine.installed() == []


def test_lock_that_uv_does_not_read_is_converted(machine: Machine) -> None:
    digest = wheel(machine.wheels, "lone", "1.0").partition("--hash=")[2].split()[0]
    entry = f'{{"version": "==1.0", "hashes": ["{digest}"]}}'
    installed = machine.install("Pipfile.lock", f'{{"default": {{"lone": {entry}}}}}')
    assert installed.returncode == 0, installed.stderr
    assert machine.installed() == ["lone==1.0"]
    installed = machine.install("Pipfile.lock", '{"default": {"ours": {"path": "./ours"}}}')
    assert installed.returncode == 1
    assert "ours comes from path, not from a package index" in installed.stderr


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
