"""The units of the site's processes, as systemd reads them, and how provisioning takes them up."""

import configparser
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import health, templates
from laurel.settings import Settings
from machine.port import free_ports

MakeSettings = Callable[..., Settings]

FOLDER = Path("etc/systemd/system")
UNITS = ("asgi.socket", "asgi@.service", "wsgi@.service", "procfile@.service")
DROP_IN = Path("asgi@.service.d/laurel.conf")
# What a unit is set in relation to, and a machine has.
TARGETS = ("sysinit", "basic", "shutdown", "sockets", "multi-user", "network")
EXPOSURE = 20  # of 100, of systemd's own measure; a unit that says nothing has 96


@pytest.fixture
def make_root(
    machine_files: Path, make_settings: MakeSettings, tmp_path: Path
) -> Callable[..., Path]:
    """Makes the root folder of a machine, with the units as rendered for its settings."""

    def make(**values: str) -> Path:
        settings = make_settings(2, PROCESS_MANAGER="systemd", **values)
        root = tmp_path / "root"
        for name in UNITS:
            unit = root / FOLDER / name
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.write_text(templates.render((machine_files / FOLDER / name).read_text(), settings))
        for group in ("asgi", "wsgi", "procfile"):
            target = root / FOLDER / f"{group}@.service.d" / DROP_IN.name
            target.parent.mkdir(exist_ok=True)
            shutil.copy(machine_files / FOLDER / DROP_IN, target)
        system = root / "usr/lib/systemd/system"
        shutil.copytree(machine_files / "usr/lib/systemd/system", system)
        for target in TARGETS:
            (system / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
        for program in ("usr/lib/laurel/exec-site", "usr/bin/laurel"):
            (root / program).parent.mkdir(parents=True, exist_ok=True)
            (root / program).touch(0o755)
        return root

    return make


def read(root: Path, name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(root / FOLDER / name)
    return parser


@pytest.mark.parametrize(
    ("asgi", "http"),
    [("daphne", "same"), ("hypercorn", "gunicorn"), ("uvicorn", "gunicorn"), ("granian", "same")],
)
def test_systemd_understands_every_line(
    make_root: Callable[..., Path], asgi: str, http: str
) -> None:
    root = make_root(ASGI_SERVER=asgi, HTTP_SERVER=http)
    units = ["asgi.socket", "asgi@0.service", "procfile@beat-1.service", "laurel-processes.service"]
    if http != "same":
        units.append("wsgi@0.service")
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={root}", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("group", ["asgi", "wsgi", "procfile"])
def test_each_process_is_in_a_sandbox(make_root: Callable[..., Path], group: str) -> None:
    root = make_root(HTTP_SERVER="gunicorn")
    limit = [f"--threshold={EXPOSURE}", f"{group}@0.service"]
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--root={root}", *limit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_process_may_write_into_the_sites_state_and_the_folder_of_its_socket(
    machine_files: Path,
) -> None:
    may = read(machine_files, str(DROP_IN))["Service"]
    assert (may["ProtectSystem"], may["PrivateTmp"]) == ("strict", "yes")
    assert may["ReadWritePaths"].split() == ["/var/lib/site", "/run/daphne"]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("daphne", ["-u /run/daphne/daphne%i.sock", "--fd 3"]),
        ("hypercorn", ["--bind unix:/run/daphne/hypercorn%i.sock", "--bind fd://3"]),
    ],
)
def test_the_processes_of_a_server_share_one_socket_as_descriptor_3(
    make_root: Callable[..., Path], server: str, words: list[str]
) -> None:
    root = make_root(ASGI_SERVER=server, BIND_ADDRESS="127.0.0.2", BIND_PORT="8001")
    assert read(root, "asgi.socket")["Socket"]["ListenStream"] == "127.0.0.2:8001"
    unit = read(root, "asgi@.service")
    assert unit["Unit"]["Requires"] == unit["Service"]["Sockets"] == "asgi.socket"
    command = unit["Service"]["ExecStart"]
    assert command.startswith(f"/usr/lib/laurel/exec-site /srv/site/current/venv/bin/{server} ")
    assert [word for word in words if word not in command] == []


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_a_server_that_can_not_share_a_socket_gets_none(
    make_root: Callable[..., Path], server: str
) -> None:
    root = make_root(ASGI_SERVER=server)
    text = (root / FOLDER / "asgi@.service").read_text()
    assert f"/run/daphne/{server}%i.sock" in text
    assert "asgi.socket" not in text
    assert "fd" not in read(root, "asgi@.service")["Service"]["ExecStart"].split()


def test_plain_http_has_processes_where_it_has_a_server_of_its_own(
    make_root: Callable[..., Path],
) -> None:
    assert read(make_root(), "wsgi@.service").sections() == []


def test_a_worker_of_the_procfile_runs_by_its_name_where_the_procfile_is(
    make_root: Callable[..., Path],
) -> None:
    unit = read(make_root(PROCFILE="deploy/Procfile"), "procfile@.service")["Service"]
    assert unit["WorkingDirectory"] == "/srv/site/current/app/deploy"
    # Not %I, which would make a slash of the hyphen in beat-1.
    assert unit["ExecStart"] == ("/usr/lib/laurel/exec-site /usr/lib/laurel/exec-process %i")


def test_a_process_comes_back_for_as_long_as_the_machine_is_up(machine_files: Path) -> None:
    common = read(machine_files, str(DROP_IN))
    assert common["Unit"]["StartLimitIntervalSec"] == "0"
    assert common["Service"]["Restart"] == "always"
    assert common["Service"]["User"] == "site"


# Descriptor 3


def test_daphne_answers_on_its_own_socket_and_on_the_one_that_it_is_handed(
    machine_files: Path, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """As its unit starts it, with a socket that systemd's own program hands over."""
    (tmp_path / "served.py").write_text(
        "async def application(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'well'})\n"
    )
    (tmp_path / "environment").write_text("LANG=C.UTF-8\n")
    wrapper = tmp_path / "exec-site"
    text = (machine_files / "usr/lib/laurel/exec-site").read_text()
    wrapper.write_text(text.replace("/run/laurel/environment", str(tmp_path / "environment")))
    wrapper.chmod(0o755)
    settings = make_settings(1, PROCESS_MANAGER="systemd", ASGI_APPLICATION="served:application")
    unit = templates.render((machine_files / FOLDER / "asgi@.service").read_text(), settings)
    (command,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    _, _, *options = command.replace("/run/daphne/daphne%i.sock", f"{tmp_path}/own.sock").split()
    (number,) = free_ports(1)
    started = [wrapper, sys.executable, "-m", "daphne", *options]
    with subprocess.Popen(
        ["systemd-socket-activate", f"--listen=127.0.0.1:{number}", *started],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    ) as daphne:
        try:
            assert _answer(number).endswith(b"well")
            assert health.probe(f"{tmp_path}/own.sock", "/") == ""
        finally:
            daphne.kill()


def _answer(number: int) -> bytes:
    """What is answered on a port, which is asked until somebody listens; Daphne takes a while."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", number), timeout=60) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return b"".join(iter(lambda: connection.recv(4096), b""))
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


# Provisioning

STUBS = """
CHANGED=()
changed() { ((${#CHANGED[@]} > 0)); }
told() { echo "$@"; [[ -z $FIRST ]] || CHANGED+=("$1"); }
install_file() { told install "$@"; }
render() { told render "$@"; }
place() { told place "${@: -1}"; }
systemctl() { echo systemctl "$@"; [[ $1 != is-active || -n $RUNNING ]]; }
laurel_tool() { echo laurel "$@"; }
set -euo pipefail
"""
START = [
    "systemctl enable --quiet laurel-processes.service",
    "systemctl start laurel-processes.service",
    "laurel start",
]


@pytest.mark.parametrize(
    ("first", "running", "steps"),
    [
        ("", "yes", START),  # a second run
        ("yes", "", ["systemctl is-active --quiet laurel-processes.service"]),
        (
            "yes",
            "yes",
            [
                "systemctl is-active --quiet laurel-processes.service",
                "systemctl stop laurel-processes.service asgi.socket",
            ],
        ),
    ],
)
def test_provisioning_restarts_the_processes_only_for_changed_files(
    top: Path, first: str, running: str, steps: list[str]
) -> None:
    ran = subprocess.run(
        ["bash", "-c", f'{STUBS}source "$PROVISION/systemd.sh"'],
        env={**os.environ, "PROVISION": f"{top}/provision", "FIRST": first, "RUNNING": running},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    placed = [line for line in ran.stdout.splitlines() if line.startswith("place ")]
    assert placed == [
        f"place /{FOLDER}/{group}@.service.d/laurel.conf" for group in ("asgi", "wsgi", "procfile")
    ]
    done = [
        line for line in ran.stdout.splitlines() if line.startswith(("systemctl", "laurel start"))
    ]
    if first:
        steps = [
            *steps,
            "systemctl daemon-reload",
            *START,
        ]
    assert done == steps
