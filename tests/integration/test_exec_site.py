"""exec-site, the wrapper through which a manager starts each process of the site."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from integration.wrapper import Wrapper

VALUES = [
    "two words  and two blanks",
    " leading and trailing ",
    "'single' and \"double\"",
    "100%(ENV_HOME)s",
    "$HOME `id` $(id) # no comment",
    "postgres://u:p=w@db/site?sslmode=require",
    "back\\slash \\n",
    "é ü 漢",
    "",
]


@pytest.fixture
def wrapper(machine_files: Path, tmp_path: Path) -> Wrapper:
    return Wrapper(machine_files / "usr/lib/laurel/exec-site", tmp_path)


def test_environment_and_arguments_arrive_unchanged(wrapper: Wrapper) -> None:
    given = {f"TRIED_{number}": value for number, value in enumerate(VALUES)}
    wrapper.environment.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
    program = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"
    arguments = ["", "a b", "$HOME", "*", "--", "-x"]
    ran = wrapper.run(sys.executable, "-c", program, *arguments)
    assert ran.returncode == 0, ran.stderr
    environment, arrived = json.loads(ran.stdout)
    assert {key: environment.get(key) for key in given} == given
    assert arrived == arguments


@pytest.mark.parametrize("option", ["-e unix:{}:backlog=4096", "--uds {}", "--bind unix:{}"])
def test_stale_socket_and_lock_of_this_process_are_removed(
    wrapper: Wrapper, tmp_path: Path, option: str
) -> None:
    arguments = option.format(tmp_path / "daphne1.sock").split()
    assert wrapper.run("true", *arguments).returncode == 0  # there are none yet
    for number in (1, 10):
        (tmp_path / f"daphne{number}.sock").touch()
        (tmp_path / f"daphne{number}.sock.lock").symlink_to("4711")
        (tmp_path / f"daphne{number}.sock.closing").touch()
    assert wrapper.run("true", *arguments).returncode == 0
    left = {path.name for path in tmp_path.iterdir() if ".sock" in path.name}
    assert left == {"daphne10.sock", "daphne10.sock.lock", "daphne10.sock.closing"}


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (["-e", "unix:/run/x/daphne1.sock:backlog=4096"], "/run/x/daphne1.sock"),
        (["--bind", "unix:/run/x/hypercorn1.sock", "--bind", "x"], "/run/x/hypercorn1.sock"),
        (["-u", "manage.py"], ""),
    ],
)
def test_process_knows_its_socket(wrapper: Wrapper, arguments: list[str], known: str) -> None:
    ran = wrapper.run("bash", "-c", 'echo "${LAUREL_SOCKET-}"', "bash", *arguments)
    assert (ran.returncode, ran.stdout) == (0, f"{known}\n"), ran.stderr


def test_process_ends_first_when_memory_is_short(wrapper: Wrapper) -> None:
    """The manager is never the one: proc(5)."""
    assert wrapper.run("cat", "/proc/self/oom_score_adj").stdout == "500\n"


def test_other_files_after_such_an_option_stay(wrapper: Wrapper, tmp_path: Path) -> None:
    """`python -u manage.py` and `laurel manage COMMAND -u FILE` pass through here."""
    (tmp_path / "manage.py").touch()
    for option in ("-e", "-u", "--uds", "--bind"):
        assert wrapper.run("true", option, str(tmp_path / "manage.py")).returncode == 0
    assert (tmp_path / "manage.py").exists()


@pytest.mark.parametrize(
    "arguments",
    ["-e unix:{socket}:backlog=9 --fd 0", "--bind unix:{socket} --bind fd://3", "--bind fd://0"],
)
def test_descriptor_that_is_not_a_socket_is_explained(
    wrapper: Wrapper, tmp_path: Path, arguments: str
) -> None:
    # When run by hand, the socket may be that of a running process.
    running = tmp_path / "daphne0.sock"
    running.touch()
    ran = wrapper.run("touch", str(tmp_path / "ran"), *arguments.format(socket=running).split())
    assert ran.returncode == 1
    option = " ".join(arguments.split()[-2:])
    assert ran.stderr == (
        f"laurel: {option}: file descriptor {option[-1]} is not a socket;"
        " only supervisor's [fcgi-program:asgi] or systemd's asgi.socket passes one\n"
    )
    assert not (tmp_path / "ran").exists()
    assert running.exists()


@pytest.mark.parametrize("option", ["--fd 0", "--bind fd://0"])
def test_inherited_socket_is_passed_on(wrapper: Wrapper, option: str) -> None:
    look = "import socket; print(socket.socket(fileno=0).getsockname()[0])"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ran = wrapper.run(sys.executable, "-c", look, *option.split(), stdin=listening.fileno())
    assert (ran.returncode, ran.stdout) == (0, "127.0.0.1\n"), ran.stderr


def test_wrapper_becomes_the_command_with_a_strict_umask(wrapper: Wrapper) -> None:
    with subprocess.Popen(
        [wrapper.path, "bash", "-c", "echo $$ $(umask); exit 7"], stdout=subprocess.PIPE, text=True
    ) as process:
        shown, _ = process.communicate(timeout=20)
    assert (shown, process.returncode) == (f"{process.pid} 0027\n", 7)


def test_missing_environment_stops_the_command(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.environment.unlink()
    ran = wrapper.run("touch", str(tmp_path / "ran"))
    assert ran.returncode != 0
    assert os.fspath(wrapper.environment) in ran.stderr
    assert not (tmp_path / "ran").exists()
