"""The units of the site's processes, as systemd reads them and as provisioning starts them."""

import configparser
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import templates
from laurel.settings import Settings

FOLDER = Path("etc/systemd/system")
UNITS = ("asgi.socket", "asgi@.service", "wsgi@.service", "procfile@.service")
DROP_IN = FOLDER / "asgi@.service.d/laurel.conf"
# Targets that the units name, and that a machine has.
TARGETS = ("sysinit", "basic", "shutdown", "sockets", "multi-user", "network")

MakeRoot = Callable[..., Path]


@pytest.fixture
def make_root(
    machine_files: Path, make_settings: Callable[..., Settings], tmp_path: Path
) -> MakeRoot:
    """Makes a machine's root folder with the units for some settings."""

    def make(**values: str) -> Path:
        settings = make_settings(2, PROCESS_MANAGER="systemd", **values)
        root = tmp_path / "root"
        for name in UNITS:
            unit = root / FOLDER / name
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.write_text(templates.render((machine_files / FOLDER / name).read_text(), settings))
        for group in ("asgi", "wsgi", "procfile"):
            target = root / FOLDER / f"{group}@.service.d" / DROP_IN.name
            target.parent.mkdir()
            shutil.copy(machine_files / DROP_IN, target)
        system = root / "usr/lib/systemd/system"
        shutil.copytree(machine_files / "usr/lib/systemd/system", system)
        for name in TARGETS:
            (system / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
        for program in ("usr/lib/laurel/exec-site", "usr/bin/laurel"):
            (root / program).parent.mkdir(parents=True, exist_ok=True)
            (root / program).touch(0o755)
        return root

    return make


def read(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


@pytest.mark.parametrize(
    ("asgi", "http"),
    [("daphne", "same"), ("hypercorn", "gunicorn"), ("uvicorn", "gunicorn"), ("granian", "same")],
)
def test_systemd_understands_every_line(make_root: MakeRoot, asgi: str, http: str) -> None:
    root = make_root(ASGI_SERVER=asgi, HTTP_SERVER=http)
    units = ["asgi.socket", "asgi@0.service", "procfile@beat-1.service", "laurel-processes.service"]
    if http == "same":
        assert read(root / FOLDER / "wsgi@.service").sections() == []
    else:
        units.append("wsgi@0.service")
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={root}", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_process_that_keeps_failing_is_always_restarted(machine_files: Path) -> None:
    common = read(machine_files / DROP_IN)
    assert common["Unit"]["StartLimitIntervalSec"] == "0"
    assert common["Service"]["Restart"] == "always"


@pytest.mark.parametrize("server", ["daphne", "hypercorn", "uvicorn", "granian"])
def test_only_servers_that_share_a_socket_get_one(make_root: MakeRoot, server: str) -> None:
    root = make_root(ASGI_SERVER=server, BIND_ADDRESS="127.0.0.2", BIND_PORT="8001")
    unit = read(root / FOLDER / "asgi@.service")
    command = unit["Service"]["ExecStart"]
    assert command.startswith(f"/usr/lib/laurel/exec-site /srv/site/current/venv/bin/{server} ")
    assert f"/run/daphne/{server}%i.sock" in command
    shared = "asgi.socket" if server in ("daphne", "hypercorn") else None
    assert unit["Unit"].get("Requires") == unit["Service"].get("Sockets") == shared
    assert read(root / FOLDER / "asgi.socket")["Socket"]["ListenStream"] == "127.0.0.2:8001"


def test_procfile_process_runs_beside_the_procfile(make_root: MakeRoot) -> None:
    root = make_root(PROCFILE="100%/Procfile", PROCFILE_STOP_SECONDS="120")
    service = read(root / FOLDER / "procfile@.service")["Service"]
    assert service["WorkingDirectory"] == "/srv/site/current/app/100%%"
    assert service["TimeoutStopSec"] == "120"
    # %i, because %I would turn the hyphen of beat-1 into a slash.
    assert service["ExecStart"] == "/usr/lib/laurel/exec-site /usr/lib/laurel/exec-process %i"


# Provisioning

STUBS = """
set -euo pipefail
changed() { true; }
install_file() { :; }
render() { :; }
place() { :; }
laurel_tool() { echo laurel "$@"; }
systemctl() { echo systemctl "$@"; }
"""


def test_changed_units_stop_before_systemd_reads_them(top: Path) -> None:
    provision = f"{top}/provision"
    ran = subprocess.run(
        ["bash", "-c", f'{STUBS}source "$PROVISION/systemd.sh"'],
        env={**os.environ, "PROVISION": provision},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == [
        "systemctl is-active --quiet laurel-processes.service",
        "systemctl stop laurel-processes.service asgi.socket",
        "systemctl daemon-reload",
        "systemctl enable --quiet laurel-processes.service",
        "systemctl start laurel-processes.service",
        "laurel start",
    ]
