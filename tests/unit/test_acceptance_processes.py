"""What the checks know of a machine's settings and processes, from what the machine tells."""

import json
import re
import xmlrpc.client
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance import processes as site
from acceptance.settings import given, settings_of, shared_socket, site_lines
from machine import Host, MachineError

BUILD_ENV = "HEALTH_PATH=/healthz\nPROCESSES=auto\nSITE_HOSTS=\nASGI_SERVER=hypercorn\n"
UNITS = """\
MainPID=31
ActiveState=active
Id=asgi@1.service

MainPID=30
ActiveState=active
Id=asgi@0.service

MainPID=0
ActiveState=activating
Id=wsgi@0.service

MainPID=40
ActiveState=active
Id=procfile@mail-out.service
"""


class Machine:
    """Answers commands by the first of `told` whose pattern they match."""

    def __init__(self, *told: tuple[str, str | Callable[[], str]]) -> None:
        self.told = told

    def succeed(self, command: str, **_: object) -> str:
        for pattern, answer in self.told:
            if re.search(pattern, command):
                return answer if isinstance(answer, str) else answer()
        raise MachineError(command)


def machine(
    *told: tuple[str, str | Callable[[], str]], build: str = BUILD_ENV, env: str = ""
) -> Host:
    settings = (("build.env", build), ("site.env", env))
    return cast("Host", Machine(*told, *settings))


def supervisor(*infos: tuple[str, str, int]) -> tuple[str, str]:
    """What supervisord answers: group, name and pid of each."""
    states = {True: "RUNNING", False: "BACKOFF"}
    found = [
        {"group": group, "name": name, "pid": pid, "statename": states[bool(pid)]}
        for group, name, pid in infos
    ]
    text = xmlrpc.client.dumps((found,), methodresponse=True)
    return "python3 -c", json.dumps([200, {}, text])


def connected(*sockets: str, accepted: str = "03") -> str:
    """A look at /proc/net/unix, with connections to these sockets."""
    lines = ["Num       RefCount Protocol Flags    Type St Inode Path"]
    lines += [f"0: 00000002 00000000 00010000 0001 01 100 {socket}" for socket in set(sockets)]
    lines += [f"0: 00000003 00000000 00000000 0001 {accepted} 101 {socket}" for socket in sockets]
    lines += ["0: 00000003 00000000 00000000 0001 03 102"]  # a client's end has no path
    return "\n".join(lines) + "\n\n"


def test_the_machines_own_settings_come_before_those_of_the_bake() -> None:
    one = machine(env="# ours\nPROCESSES='2'\nSECRET_KEY=x\nexport ASGI_SERVER=daphne\n")
    settings = settings_of(one)
    assert settings["PROCESSES"] == "2"
    assert settings["ASGI_SERVER"] == "hypercorn"
    assert "SECRET_KEY" not in settings


def test_what_an_older_image_does_not_know_is_as_it_was() -> None:
    settings = settings_of(machine(build="HEALTH_PATH=/\n", env="BIND_PORT=81\n"))
    assert settings["PROCESS_MANAGER"] == "supervisor"
    assert settings["BIND_PORT"] == "81"


def test_what_the_bake_has_fixed_is_not_for_the_machine_to_change() -> None:
    assert site_lines({"PROCESS_MANAGER": "systemd", "ASGI_SERVER": "x"}) == "ASGI_SERVER=x\n"
    assert settings_of(machine(env="PROCESS_MANAGER=systemd\n"))["PROCESS_MANAGER"] == "supervisor"


def test_a_value_may_hold_an_equals_sign() -> None:
    assert given(["ASGI_PATHS=/a?b=c", "SITE_HOSTS="]) == {"ASGI_PATHS": "/a?b=c", "SITE_HOSTS": ""}


@pytest.mark.parametrize("text", ["uvicorn", "asgi_server=uvicorn", "=x"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=VALUE"):
        given([text])


def test_only_some_servers_share_a_socket() -> None:
    settings = settings_of(machine())
    assert shared_socket(settings) == ("127.0.0.1", 8000)
    assert shared_socket({**settings, "ASGI_SERVER": "granian"}) is None


def test_processes_under_supervisor_are_in_order() -> None:
    one = machine(
        supervisor(
            ("asgi", "asgi10", 7), ("wsgi", "wsgi0", 0), ("asgi", "asgi2", 6), ("m", "m", 5)
        ),
        env="HTTP_SERVER=gunicorn\n",
        build=BUILD_ENV + "HTTP_SERVER=same\n",
    )
    assert site.processes(one) == [
        site.Process("asgi", 2, "asgi2", "RUNNING", 6, "/run/daphne/hypercorn2.sock"),
        site.Process("asgi", 10, "asgi10", "RUNNING", 7, "/run/daphne/hypercorn10.sock"),
    ]
    assert site.processes(one, "wsgi") == [
        site.Process("wsgi", 0, "wsgi0", "BACKOFF", 0, "/run/daphne/gunicorn0.sock")
    ]
    assert [process.name for process in site.every_process(one)] == ["asgi2", "asgi10", "wsgi0"]
    assert [process.name for process in site.processes(one, "procfile")] == ["m"]
    assert site.http_group(one) == "wsgi"


def test_supervisord_that_does_not_answer_has_no_process() -> None:
    assert site.every_process(machine()) == []


def test_processes_under_systemd_are_the_same() -> None:
    one = machine(("systemctl show", UNITS), build=BUILD_ENV + "PROCESS_MANAGER=systemd\n")
    assert [(found.name, found.state, found.pid) for found in site.every_process(one)] == [
        ("asgi0", "RUNNING", 30),
        ("asgi1", "RUNNING", 31),
        ("wsgi0", "ACTIVATING", 0),
    ]
    (other,) = site.processes(one, "procfile")
    assert (other.name, other.pid, other.socket) == ("mail-out", 40, "")


def test_no_unit_is_no_process() -> None:
    one = machine(("systemctl show", "\n"), build=BUILD_ENV + "PROCESS_MANAGER=systemd\n")
    assert site.every_process(one) == []


SOCKETS = [f"/run/daphne/hypercorn{number}.sock" for number in range(2)]
TWO = supervisor(("asgi", "asgi0", 30), ("asgi", "asgi1", 31))


def test_connections_are_those_of_every_look() -> None:
    probed = connected(SOCKETS[0], SOCKETS[0], SOCKETS[1])
    looks = probed + connected(SOCKETS[0], SOCKETS[1]) + probed
    assert site.connections(machine(("net/unix", looks), TWO)) == {0: 1, 1: 1}


def test_a_connection_that_nobody_has_accepted_is_none() -> None:
    looks = 3 * connected(SOCKETS[1], accepted="02")
    assert site.connections(machine(("net/unix", looks), TWO)) == {0: 0, 1: 0}


def test_websockets_are_counted_once_nobody_leaves_any_more() -> None:
    counts = iter([2, 1, 1])
    one = machine(
        ("systemctl reload nginx", ""),
        ("net/unix", lambda: 3 * connected(*[SOCKETS[0]] * next(counts))),
        TWO,
    )
    assert site.websockets(one) == {0: 1, 1: 0}
    assert list(counts) == []


class Guest:
    """Joins the process whose turn it is."""

    def __init__(self, room: list[str], sockets: Any) -> None:
        self.room, self.socket = room, next(sockets)

    def __enter__(self) -> "Guest":
        self.room.append(self.socket)
        return self

    def __exit__(self, *_: object) -> None:
        self.room.remove(self.socket)


@pytest.mark.parametrize("turns", [[0, 1, 0, 1], [0, 0, 0, 0]])
def test_guests_are_of_every_process_or_it_is_told(turns: list[int]) -> None:
    room = [SOCKETS[0]]  # somebody who stays
    one = machine(("systemctl reload nginx", ""), ("net/unix", lambda: 3 * connected(*room)), TWO)
    sockets = iter([SOCKETS[turn] for turn in turns])
    joining = site.guests_of_every_process(one, lambda: Guest(room, sockets))
    if set(turns) == {0, 1}:
        with joining as guests:
            assert len(guests) == 4
    else:
        with pytest.raises(AssertionError, match=r"a process has no guest: \{0: 4, 1: 0\}"):
            joining.__enter__()


def test_a_family_is_all_that_a_process_has_started() -> None:
    told = "  1  0\n 30  1\n 32 30\n 33 32\n 31  1\n"
    assert site.family(machine(("ps -eo", told)), 30) == [30, 32, 33]


def test_a_process_that_nobody_has_started_is_a_stray() -> None:
    told = "30 9 venv/bin/hypercorn\n35 30 a worker\n36 1 venv/bin/hypercorn --bind x\n31 1 asgi1\n"
    assert site.strays(machine(("ps -U site", told), TWO)) == ["36 venv/bin/hypercorn --bind x"]


@pytest.mark.parametrize(
    ("manager", "log"),
    [
        ("supervisor", "cat /var/log/site/wsgi[0-9]*.log"),
        ("systemd", "journalctl -b --no-pager -o cat -u 'wsgi@*.service'"),
    ],
)
def test_what_a_group_writes_is_looked_for_where_its_manager_keeps_it(
    manager: str, log: str
) -> None:
    asked = []

    def execute(command: str) -> SimpleNamespace:
        asked.append(command)
        return SimpleNamespace(status=1)

    one = machine(build=f"{BUILD_ENV}PROCESS_MANAGER={manager}\n")
    one.execute = execute  # type: ignore[assignment,method-assign]
    assert not site.logged(one, "wsgi", "/a page")
    assert asked == [f"{log} | grep -F '/a page'"]
