"""The build host: prerequisites.sh, the Makefile's options, up.sh, and paths with blanks."""

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
        self.calls_file = folder / "calls"
        self.environment = {
            # A make above this test changes what a make below it prints.
            **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            "PATH": f"{folder}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "CALLS": str(self.calls_file),
        }

    def copy(self, name: str) -> Path:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (self.top / name).is_dir():
            hidden = shutil.ignore_patterns(".vagrant", "settings.env")
            return shutil.copytree(self.top / name, target, ignore=hidden)
        return Path(shutil.copy(self.top / name, target))

    def program(self, path: str, text: str = CALLS) -> None:
        program = self.folder / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

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
    """The script, run by an ordinary user with all packages except those in $LACKS."""
    script = host.copy("packer/prerequisites.sh")
    text = script.read_text()
    for found, instead in (("((EUID != 0))", "((1))"), ("command -v packer", "false")):
        assert text.count(found) == 1
        text = text.replace(found, instead)
    script.write_text(text)
    locks = "app/requirements.txt tests/requirements.txt provision/servers.txt provision/uv.txt"
    for name in locks.split():
        host.copy(name)
    tools = f"mkdir -p build/venv; cat {locks} | sha256sum"
    host.run("bash", "-c", f"({tools}) >locks; mv locks build/venv/locks.sha256")
    host.program("bin/uname", "#!/bin/sh\necho ${MACHINE:-x86_64}\n")
    host.program("bin/dpkg-query", LACKS)
    host.program("bin/sudo", CALLS + '[ "$*" != "-n true" ] && [ -z "$REFUSED" ]\n')
    host.program("bin/apt-cache", '#!/bin/sh\n[ "$2" != packer ]\n')
    return script


def test_complete_host_installs_nothing(host: Host, prerequisites: Path) -> None:
    ran = host.run(prerequisites)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert host.calls() == []


def test_sudo_asks_for_its_password_before_apt_installs(host: Host, prerequisites: Path) -> None:
    ran = host.run(prerequisites, "wrk", LACKS="mmdebstrap wrk")
    assert (ran.returncode, ran.stderr) == (0, "")
    asked, password, update, install = host.calls()
    assert (asked, password) == ("sudo -n true", "sudo -v")
    assert update.endswith(" update")
    assert install.endswith(" install mmdebstrap wrk")


@pytest.mark.parametrize(
    ("environment", "calls", "refused"),
    [
        ({"MACHINE": "aarch64"}, 0, "this host is aarch64: Laurel bakes and tests amd64 images"),
        (
            {"LACKS": "mmdebstrap", "REFUSED": "1"},
            2,
            "run this in a terminal, or as root, to install: mmdebstrap",
        ),
        ({"LACKS": "packer"}, 3, "archive has no packer: install it from developer.hashicorp.com/"),
    ],
)
def test_unsuitable_host_is_refused(
    host: Host, prerequisites: Path, environment: dict[str, str], calls: int, refused: str
) -> None:
    ran = host.run(prerequisites, **environment)
    assert ran.returncode == 1
    assert ran.stderr.startswith("prerequisites: ")
    assert refused in ran.stderr
    assert len(host.calls()) == calls


# The Makefile


@pytest.fixture
def makefile(host: Host) -> Host:
    """The Makefile, with a Python that prints its arguments and options."""
    host.copy("Makefile")
    host.program("packer/prerequisites.sh")
    host.program("build/venv/bin/python", '#!/bin/sh\necho "$@"\nexec env\n')
    return host


def test_options_come_from_the_command_line_alone(makefile: Host) -> None:
    names = ("OS", "APP", "IMAGE", "HOST", "KEY", "URL", "DISRUPT", "CHECKS", "SECONDS", "ROWS")
    exported = dict.fromkeys((*names, "SUITE"), "exported")
    shown = makefile.run("make", "acceptance", **exported).stdout.splitlines()
    assert shown[0] == "tests/prove.py stages"
    assert {line.split("=")[0] for line in shown} & set(exported) == set()
    given = [f"{name}={name} of mine" for name in names]
    shown = makefile.run("make", "acceptance", "SUITE=clouds", *given, **exported).stdout
    assert shown.startswith("tests/prove.py clouds\n")
    assert set(given) <= set(shown.splitlines())


def test_test_fast_needs_the_tools(makefile: Host) -> None:
    assert "-m pytest -q -n auto tests/unit" in makefile.run("make", "test-fast").stdout
    (makefile.folder / "build/venv/bin/python").unlink()
    ran = makefile.run("make", "test-fast")
    assert ran.returncode
    assert "build/venv is missing: run `make test` once" in ran.stderr
    assert makefile.calls() == []


def test_make_vagrant_replaces_the_developers_file_by_given_settings(host: Host) -> None:
    for folder in ("packer", "provision", "vagrant"):
        host.copy(folder)
    (host.folder / "build").mkdir()
    (host.folder / "build/venv").symlink_to((host.top / "build/venv").resolve())
    for program in ("bin/vagrant", "bin/virsh", "packer/prerequisites.sh"):
        host.program(program)
    file = host.folder / "vagrant/settings.env"
    host.run("vagrant/up.sh", OS="debian-13")
    assert not file.exists()
    file.write_text("# mine\nDEVELOPMENT=yes\n")
    host.run("vagrant/up.sh", OS="debian-13")
    assert file.read_text() == "# mine\nDEVELOPMENT=yes\n"
    host.run("vagrant/up.sh", APP="app", PROCESSES="2", SITE_HOSTS="a.example,b.example")
    assert sorted(file.read_text().split()) == ["PROCESSES=2", "SITE_HOSTS=a.example,b.example"]
    assert host.calls().count("vagrant up --provider=libvirt") == 3


# Paths with blanks

MMDEBSTRAP = """#!/bin/bash
for last; do :; done
mkdir -p "$last"/{boot/grub,etc/ssh,usr/bin}
echo menu >"$last/boot/grub/grub.cfg"
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
    base = host.folder / "base"
    base.mkdir()
    ran = host.run(host.folder / "packer" / "base" / "build.sh", var_file, "tcg", base)
    assert ran.returncode == 0, ran.stderr
    assert sorted(path.name for path in base.iterdir()) == ["boot.raw", "root", "uuid", "vmlinuz"]
    assert (base / "root/etc").stat().st_mode & 0o777 == 0o755
    assert not (base / "root/install-boot-loader.sh").exists()
    left = host.run("debugfs", "-R", "stat /etc", f"{base / 'boot.raw'}?offset={66 << 20}")
    assert "Bad magic number" in left.stderr, "the root's blocks are still on the disk"


def test_disk_has_the_files_and_modes_of_a_root_file_system(host: Host) -> None:
    host.copy("packer/base")
    script = host.copy("packer/disk.sh")
    base, root = host.folder / "base", host.folder / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc").chmod(0o755)
    base.mkdir()
    uuid = "6f1c1f9e-6ad5-4f25-a7f7-0d3f4ad5c0de"
    (base / "uuid").write_text(f"{uuid}\n")
    with (base / "boot.raw").open("wb") as file:
        file.write(b"boot loader")
        file.truncate(3072 << 20)
    disk, raw = host.folder / "disk.qcow2", host.folder / "disk.raw"
    ran = host.run(script, root, base, disk)
    assert ran.returncode == 0, ran.stderr
    host.run("qemu-img", "convert", "-O", "raw", disk, raw)
    partition = f"{raw}?offset={66 << 20}"
    assert "0755" in host.run("debugfs", "-R", "stat /etc", partition).stdout
    assert uuid in host.run("debugfs", "-R", "stats", partition).stdout
    with raw.open("rb") as file:
        assert file.read(11) == b"boot loader"
    assert {path.name for path in host.folder.glob(".disk*")} == set()
