"""The site's processes, as a supervisord on a unix socket tells of them."""

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest
from laurel import supervisor
from laurel.errors import LaurelError
from laurel.supervisor import Process


class _Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)
    disable_nagle_algorithm = False  # there is none on a unix socket

    def log_message(self, format: str, *args: object) -> None:
        pass


class Supervisord(socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    """Answers what `information` holds, and notes each other call."""

    logRequests = False  # noqa: N815 # its handler asks for this name

    def __init__(self, path: str) -> None:
        SimpleXMLRPCDispatcher.__init__(self)
        socketserver.UnixStreamServer.__init__(self, path, _Handler)
        self.information: list[dict[str, Any]] = []
        self.calls: list[tuple[str, ...]] = []
        self.register_function(lambda: self.information, "supervisor.getAllProcessInfo")
        for verb in ("stopProcess", "startProcess"):
            self.register_function(self._noting(verb), f"supervisor.{verb}")

    def _noting(self, verb: str) -> Any:
        def note(name: str, wait: bool) -> bool:
            self.calls.append((verb, name, str(wait)))
            return True

        return note

    def add(self, name: str, group: str = "asgi", pid: int = 4711, state: str = "RUNNING") -> None:
        self.information.append(
            {
                "name": name,
                "group": group,
                "pid": pid,
                "statename": state,
                "now": 1000,
                "start": 940,
                "spawnerr": "" if pid else "Exited too quickly",
            }
        )


@pytest.fixture
def supervisord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisord]:
    """A stand-in that speaks XML-RPC as supervisord does."""
    path = str(tmp_path / "supervisor.sock")
    monkeypatch.setattr(supervisor, "SOCKET", path)
    with Supervisord(path) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_processes_come_in_the_order_of_their_numbers(supervisord: Supervisord) -> None:
    for name in ("asgi10", "asgi2", "asgi0"):
        supervisord.add(name)
    assert [process.number for process in supervisor.processes()] == [0, 2, 10]


def test_processes_of_other_groups_are_left_out(supervisord: Supervisord) -> None:
    supervisord.add("worker", group="worker")
    supervisord.add("asgi0")
    assert [process.name for process in supervisor.processes()] == ["asgi:asgi0"]


def test_a_process_is_described(supervisord: Supervisord) -> None:
    supervisord.add("asgi0")
    supervisord.add("asgi1", pid=0, state="BACKOFF")
    assert supervisor.processes() == [
        Process(0, "asgi:asgi0", 4711, "RUNNING", 60, ""),
        Process(1, "asgi:asgi1", 0, "BACKOFF", 0, "Exited too quickly"),
    ]


def test_a_restart_waits_for_the_end_and_not_for_the_start(supervisord: Supervisord) -> None:
    supervisor.restart(Process(3, "asgi:asgi3", 4711, "RUNNING", 60, ""))
    assert supervisord.calls == [
        ("stopProcess", "asgi:asgi3", "True"),
        ("startProcess", "asgi:asgi3", "False"),
    ]


def test_a_process_that_does_not_run_is_only_started(supervisord: Supervisord) -> None:
    supervisor.restart(Process(3, "asgi:asgi3", 0, "FATAL", 0, ""))
    assert supervisord.calls == [("startProcess", "asgi:asgi3", "False")]


def test_a_fault_of_supervisord_is_told(supervisord: Supervisord) -> None:
    del supervisord.funcs["supervisor.startProcess"]
    with pytest.raises(LaurelError, match=r"startProcess.*asgi:asgi0"):
        supervisor.restart(Process(0, "asgi:asgi0", 0, "FATAL", 0, ""))


def test_a_supervisord_that_is_gone_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SOCKET", str(tmp_path / "supervisor.sock"))
    with pytest.raises(LaurelError, match="systemctl status supervisor"):
        supervisor.processes()
