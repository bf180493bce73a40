"""exec-site, the wrapper between supervisor and each process of the site."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.wrapper import Wrapper

PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def wrapper(machine_files: Path, tmp_path: Path) -> Wrapper:
    """exec-site in a folder of its own."""
    return Wrapper(machine_files / "usr/lib/laurel/exec-site", tmp_path)


@pytest.fixture
def inherited() -> Iterator[int]:
    """A listening TCP socket, as supervisor hands one over."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.fileno()


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "two words  and two blanks",
        " leading and trailing ",
        "'single' and \"double\"",
        "100%(ENV_HOME)s",
        "$HOME `id` $(id)",
        "# no comment",
        "postgres://u:p=w@db/site?sslmode=require",
        "back\\slash \\n",
        "é ü 漢",
        "",
    ],
)
def test_a_value_arrives_unchanged(wrapper: Wrapper, value: str) -> None:
    wrapper.environment.write_text(f"BEFORE=1\nTRIED={value}\nAFTER=2\n")
    ran = wrapper.run(sys.executable, "-c", PRINT_ENVIRONMENT)
    assert ran.returncode == 0, ran.stderr
    environment = json.loads(ran.stdout)
    assert environment["TRIED"] == value
    assert (environment["BEFORE"], environment["AFTER"]) == ("1", "2")


def test_arguments_arrive_unchanged(wrapper: Wrapper) -> None:
    arguments = ["", "a b", "$HOME", "*", "--", "-x"]
    ran = wrapper.run(sys.executable, "-c", "import sys; print(sys.argv[1:])", *arguments)
    assert ran.stdout.strip() == str(arguments)


@pytest.mark.parametrize(
    "option", ["-u {}", "--uds {}", "--bind unix:{}"], ids=["-u", "--uds", "--bind"]
)
def test_it_removes_its_own_socket_and_lock_and_no_siblings(
    wrapper: Wrapper, tmp_path: Path, option: str
) -> None:
    for number in range(11):
        (tmp_path / f"daphne{number}.sock").touch()
        (tmp_path / f"daphne{number}.sock.lock").symlink_to("4711")
    ran = wrapper.run("true", *option.format(tmp_path / "daphne1.sock").split())
    assert ran.returncode == 0, ran.stderr
    left = {path.name for path in tmp_path.iterdir()} - {"exec-site", "environment"}
    assert left == {
        f"daphne{number}.sock{end}" for number in range(11) for end in ("", ".lock") if number != 1
    }


def test_a_socket_that_is_not_there_is_no_error(wrapper: Wrapper, tmp_path: Path) -> None:
    assert wrapper.run("true", "-u", str(tmp_path / "daphne0.sock")).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        "--fd 0",
        "--bind fd://0",
        # A machine whose systemd hands none over.
        "--fd 3",
        "--bind fd://3",
        # With a socket of its own, which is one that runs where somebody tries this by hand.
        "-u {socket} --fd 0",
        "--bind unix:{socket} --bind fd://0",
    ],
)
def test_a_descriptor_without_a_socket_is_explained(
    wrapper: Wrapper, tmp_path: Path, arguments: str
) -> None:
    running = tmp_path / "daphne0.sock"
    running.touch()
    ran = wrapper.run("touch", str(tmp_path / "ran"), *arguments.format(socket=running).split())
    assert ran.returncode == 1
    named = " ".join(arguments.split()[-2:])
    assert (
        f"laurel: {named} needs a socket as file descriptor {named[-1]}, and this is not"
        in ran.stderr
    )
    assert "[fcgi-program:asgi] of supervisor, or asgi.socket of systemd" in ran.stderr
    assert not (tmp_path / "ran").exists()
    assert running.exists()


@pytest.mark.parametrize("option", ["--fd 0", "--bind fd://0"])
def test_a_descriptor_with_a_socket_goes_on(wrapper: Wrapper, inherited: int, option: str) -> None:
    look = "import socket; print(socket.socket(fileno=0).getsockname()[0])"
    ran = wrapper.run(sys.executable, "-c", look, *option.split(), stdin=inherited)
    assert (ran.returncode, ran.stdout) == (0, "127.0.0.1\n"), ran.stderr


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_of_the_command_is_kept(wrapper: Wrapper, code: int) -> None:
    assert wrapper.run("bash", "-c", f"exit {code}").returncode == code


def test_it_becomes_the_command(wrapper: Wrapper) -> None:
    with subprocess.Popen(
        [wrapper.path, sys.executable, "-c", "import os; print(os.getpid())"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        shown, _ = process.communicate(timeout=20)
    assert int(shown) == process.pid


def test_without_settings_nothing_is_run(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.environment.unlink()
    ran = wrapper.run("touch", str(tmp_path / "ran"))
    assert ran.returncode != 0
    assert os.fspath(wrapper.environment) in ran.stderr
    assert not (tmp_path / "ran").exists()


def test_an_option_u_of_another_command_costs_no_file(wrapper: Wrapper, tmp_path: Path) -> None:
    """`python -u manage.py` and `laurel manage COMMAND -u FILE` pass here too."""
    file = tmp_path / "manage.py"
    file.touch()
    for option in ("-u", "--uds", "--bind"):
        assert wrapper.run("true", option, str(file)).returncode == 0
    assert file.exists()
