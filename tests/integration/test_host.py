"""The build host: prerequisites.sh, the Makefile's options, and paths with blanks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CALLS = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n'
LACKS = (
    '#!/bin/sh\nfor p; do :; done\ncase " $LACKS " in *" $p "*) exit 1 ;; esac\necho ok installed\n'
)


class Host:
    """A copy of some files in a folder with a blank, and stand-ins for programs."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.top = top
        self.folder = folder
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},
            "PATH": f"{self.bin}:/usr/bin:/bin:/usr/sbin:/sbin",
            "CALLS": str(self.calls),
        }

    def copy(self, name: str) -> Path:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (self.top / name).is_dir():
            return shutil.copytree(self.top / name, target)
        return Path(shutil.copy(self.top / name, target))

    def program(self, path: str, text: str = CALLS) -> None:
        program = self.folder / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def host(top: Path, tmp_path: Path) -> Host:
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Host(top, folder)


# prerequisites.sh


@pytest.fixture
def prerequisites(host: Host) -> Path:
    """The script, run by an ordinary user with all packages but those in $LACKS."""
    script = host.copy("packer/prerequisites.sh")
    text = script.read_text()
    assert text.count("((EUID != 0))") == 1
    script.write_text(text.replace("((EUID != 0))", "((1))"))
    for name in ("app/requirements.txt", "tests/requirements.txt", "provision/uv.txt"):
        host.copy(name)
    # The Python tools are up to date.
    locks = host.run(
        "bash", "-c", "cat {app,tests}/requirements.txt provision/uv.txt | sha256sum"
    ).stdout
    (host.folder / "build" / "venv").mkdir(parents=True)
    (host.folder / "build" / "venv" / "locks.sha256").write_text(locks)
    host.program("bin/uname", "#!/bin/sh\necho ${MACHINE:-x86_64}\n")
    host.program("bin/dpkg-query", LACKS)
    host.program("bin/sudo", CALLS + '[ "$1" != -v ] || exit $REFUSES\n')
    host.program("bin/apt-cache", "#!/bin/sh\nexit 0\n")
    host.program("bin/packer")
    return script


def test_complete_host_installs_nothing(host: Host, prerequisites: Path) -> None:
    ran = host.run(prerequisites)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not host.calls.exists()


def test_other_architecture_is_refused_at_once(host: Host, prerequisites: Path) -> None:
    ran = host.run(prerequisites, MACHINE="aarch64", LACKS="mmdebstrap")
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        "prerequisites: this host is aarch64: Laurel bakes and tests amd64"
    )
    assert not host.calls.exists()


def test_missing_packages_are_installed_with_sudo(host: Host, prerequisites: Path) -> None:
    ran = host.run(prerequisites, "wrk", LACKS="mmdebstrap wrk")
    assert (ran.returncode, ran.stderr) == (0, "")
    calls = host.calls.read_text().splitlines()
    assert calls[0] == "sudo -n true"
    assert calls[1].endswith(" update")
    assert calls[2].endswith(" install mmdebstrap wrk")


@pytest.mark.parametrize("refuses", ["0", "1"])
def test_sudo_asks_for_its_password_before_apt_runs(
    host: Host, prerequisites: Path, refuses: str
) -> None:
    host.program(
        "bin/sudo", CALLS + '[ "$*" != "-n true" ] || exit 1\n[ "$1" != -v ] || exit $REFUSES'
    )
    ran = host.run(prerequisites, LACKS="mmdebstrap", REFUSES=refuses)
    calls = host.calls.read_text().splitlines()
    assert calls[:2] == ["sudo -n true", "sudo -v"]
    assert (ran.returncode, len(calls)) == ((1, 2) if refuses == "1" else (0, 4))
    assert ("run this in a terminal, or as root, to install: mmdebstrap" in ran.stderr) == (
        refuses == "1"
    )


def test_system_without_a_packer_package_names_its_source(host: Host, prerequisites: Path) -> None:
    (host.bin / "packer").unlink()
    host.environment["PATH"] = f"{host.bin}:{host.folder}/tools"
    for name in ("bash", "dirname", "readlink", "sed", "grep", "mkdir", "sha256sum", "cat", "env"):
        host.program(f"tools/{name}", f'#!/bin/sh\nexec /usr/bin/{name} "$@"\n')
    host.program("bin/apt-get")
    host.program("bin/apt-cache", "#!/bin/sh\nexit 100\n")
    ran = host.run("/usr/bin/bash", prerequisites, LACKS="packer")
    assert ran.returncode == 1
    assert ran.stderr == (
        "prerequisites: this system's archive has no packer: install it from"
        " developer.hashicorp.com/packer/install\n"
    )
    assert " install " not in host.calls.read_text()


# The Makefile

NAMES = (
    "OS",
    "APP",
    "IMAGE",
    "HOST",
    "KEY",
    "URL",
    "DISRUPT",
    "CHECKS",
    "SECONDS",
    "ROWS",
    "SUITE",
)


@pytest.fixture
def makefile(host: Host) -> Host:
    """The Makefile, with a Python that prints its arguments and options."""
    host.copy("Makefile")
    host.program("packer/prerequisites.sh")
    host.program("build/venv/bin/python", '#!/bin/sh\necho "$@"\nexec env\n')
    return host


def test_exported_variables_of_a_shell_change_nothing(makefile: Host) -> None:
    ran = makefile.run("make", "acceptance", **dict.fromkeys(NAMES, "exported"))
    shown = ran.stdout.splitlines()
    assert shown[0] == "tests/prove.py stages"
    assert {line.split("=")[0] for line in shown} & set(NAMES) == set()


def test_command_line_reaches_the_programs(makefile: Host) -> None:
    given = {name: f"{name} of mine" for name in NAMES if name != "SUITE"}
    options = [f"{name}={value}" for name, value in given.items()]
    ran = makefile.run("make", "acceptance", "SUITE=clouds", *options, HOST="exported")
    shown = ran.stdout.splitlines()
    assert shown[0] == "tests/prove.py clouds"
    assert set(options) <= set(shown)


def test_test_fast_needs_the_tools(makefile: Host) -> None:
    assert "-m pytest -q -n auto tests/unit" in makefile.run("make", "test-fast").stdout
    (makefile.folder / "build/venv/bin/python").unlink()
    ran = makefile.run("make", "test-fast")
    assert ran.returncode
    assert "build/venv is missing: run `make test` once" in ran.stderr
    assert not makefile.calls.exists()


# Paths with blanks

MMDEBSTRAP = """#!/bin/bash
for last; do :; done
mkdir -p "$last"/{boot,etc/ssh,usr/bin}
touch "$last/boot/vmlinuz-1" "$last/boot/initrd.img-1" "$last/etc/hostname"
for argument; do
	case $argument in
	--customize-hook=*) sh -c "${argument#*=}" exec "$last" || exit ;;
	esac
done
"""


def test_base_disk_is_built_in_a_folder_with_a_blank(host: Host) -> None:
    (host.copy("packer/base") / "files" / "etc").chmod(0o700)  # a checkout with umask 077
    host.program("bin/mmdebstrap", MMDEBSTRAP)
    host.program("bin/chroot", "#!/bin/sh\nexit 0\n")
    host.program("bin/qemu-system-x86_64", "#!/bin/sh\necho boot loader installed\n")
    var_file = host.copy("packer/os/debian-13.pkrvars.hcl")
    output = host.folder / "base.qcow2"
    ran = host.run(host.folder / "packer" / "base" / "build.sh", var_file, "tcg", output)
    assert ran.returncode == 0, ran.stderr
    raw = host.folder / "disk.raw"
    host.run("qemu-img", "convert", "-O", "raw", output, raw)
    system = f"{raw}?offset={66 << 20}"
    fstab = host.run("debugfs", "-R", "cat /etc/fstab", system).stdout
    assert fstab == (host.top / "packer/base/files/etc/fstab").read_text()
    stat = host.run("debugfs", "-R", "stat /install-boot-loader.sh", system).stdout
    assert "Mode:  0755" in stat
    stat = host.run("debugfs", "-R", "stat /etc", system).stdout
    assert "Mode:  0755" in stat
