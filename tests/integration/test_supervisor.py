"""supervisor as the manager, with the real supervisord."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from laurel import supervisor
from laurel.errors import LaurelError
from laurel.process import Process
from laurel.settings import Settings
from laurel.supervisor import Supervisor

MAIN = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
{user}
[unix_http_server]
file={folder}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = {folder}/*.conf
"""


def program(name: str, count: int = 1, command: str = "sleep 60", startsecs: int = 0) -> str:
    number = "%(process_num)d" if name in ("asgi", "wsgi") else ""
    return f"""\
[program:{name}]
command={command}
process_name={name}{number}
numprocs={count}
startsecs={startsecs}
startretries=1000
stdout_logfile=NONE
redirect_stderr=true
"""


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The conf.d of a supervisord with eleven processes of asgi and a worker of a Procfile."""
    files = (tmp_path / "asgi.conf", tmp_path / "wsgi.conf")
    files[0].write_text(program("asgi", 11))
    (tmp_path / "procfile.conf").write_text(program("worker"))
    user = "user=root" if os.geteuid() == 0 else ""  # otherwise it warns
    main = tmp_path / "supervisord.ini"
    main.write_text(MAIN.format(folder=tmp_path, user=user))
    monkeypatch.setattr(supervisor, "SOCKET", str(tmp_path / "supervisor.sock"))
    monkeypatch.setattr(Supervisor, "files", files)
    monkeypatch.setattr(Supervisor, "procfile", tmp_path / "procfile.conf")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    process = subprocess.Popen(["supervisord", "-c", main], stdout=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(process)
        yield tmp_path
    finally:
        # An orderly end of its processes would take seconds.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait(30)
        for pid in children:
            with suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(supervisor.SOCKET)
            return
        assert process.poll() is None, "supervisord has ended"
        assert time.monotonic() < deadline, "supervisord does not answer after 30 s"
        time.sleep(0.02)


@pytest.fixture
def manager(make_settings: Callable[..., Settings]) -> Supervisor:
    return Supervisor(make_settings(11))


def pids(manager: Supervisor) -> dict[str, int]:
    return {process.name: process.pid for process in manager.processes()}


@pytest.mark.usefixtures("conf")
def test_processes_are_described_in_the_order_of_their_numbers(
    manager: Supervisor, make_settings: Callable[..., Settings]
) -> None:
    processes = manager.processes()
    assert [process.number for process in processes] == [*range(11)]
    pid, uptime = processes[2].pid, processes[2].uptime
    assert pid > 0
    assert 0 <= uptime < 30
    assert processes[2] == Process(
        "asgi", 2, "asgi:asgi2", pid, "RUNNING", uptime, "", "/run/daphne/daphne2.sock"
    )
    other = Supervisor(make_settings(ASGI_SERVER="uvicorn")).processes()
    assert other[2].socket == "/run/daphne/uvicorn2.sock"
    assert manager.procfile_states() == [("worker", "RUNNING")]
    assert len(manager.pids()) == 12


@pytest.mark.usefixtures("conf")
def test_restart_renews_the_given_processes(manager: Supervisor) -> None:
    before = pids(manager)
    processes = manager.processes()
    manager.restart(processes[3:5])
    after = pids(manager)
    renewed = {name for name in before if before[name] != after[name]}
    assert renewed == {"asgi:asgi3", "asgi:asgi4"}
    with pytest.raises(LaurelError, match=r"stopProcess.*asgi:asgi99.*BAD_NAME"):
        manager.restart([replace(processes[3], name="asgi:asgi99")])


def test_procfile_change_restarts_its_processes_only(conf: Path, manager: Supervisor) -> None:
    before = pids(manager)
    (conf / "procfile.conf").write_text(program("beat"))
    assert not manager.must_restart_all([Supervisor.procfile])
    manager.update_procfile()
    assert manager.procfile_states() == [("beat", "RUNNING")]
    everything = set(manager.pids())
    manager.restart_procfile()
    assert len(everything - set(manager.pids())) == 1
    assert pids(manager) == before


@pytest.mark.parametrize(
    ("file", "text"),
    [("asgi.conf", program("asgi", 2)), ("wsgi.conf", program("wsgi", 2)), ("asgi.conf", "")],
    ids=["changed", "added", "removed"],
)
def test_changed_group_restarts_every_process_of_the_site(
    conf: Path, manager: Supervisor, file: str, text: str
) -> None:
    before = set(pids(manager).values())
    worker = set(manager.pids()) - before
    assert not manager.must_restart_all([])
    (conf / file).write_text(text)
    # An earlier reload may have written the file: supervisord itself notices.
    assert manager.must_restart_all([])
    manager.restart_all()
    assert not manager.must_restart_all([])
    assert not before & set(manager.pids())
    assert worker <= set(manager.pids())


def test_failing_process_is_in_backoff_and_can_be_restarted(
    conf: Path, manager: Supervisor
) -> None:
    failing = program("asgi", command="sh -c 'sleep 0.1; exit 1'", startsecs=60)
    (conf / "asgi.conf").write_text(failing)
    manager.restart_all()
    (process,) = manager.processes()
    deadline = time.monotonic() + 20
    while process.state != "BACKOFF":
        assert time.monotonic() < deadline
        time.sleep(0.02)
        (process,) = manager.processes()
    assert (process.pid, process.uptime) == (0, 0)
    assert "Exited too quickly" in process.problem
    # Also while supervisord starts it again and again.
    for _ in range(5):
        manager.restart([process])
        assert manager.processes()[0].state in ("STARTING", "BACKOFF")


def test_invalid_file_is_reported(conf: Path, manager: Supervisor) -> None:
    (conf / "asgi.conf").write_text("[program:asgi]\n")
    with pytest.raises(LaurelError, match=r"supervisor.*CANT_REREAD"):
        manager.update_procfile()


def test_silent_supervisord_is_reported_with_what_to_do(
    manager: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SOCKET", str(tmp_path / "no.sock"))
    with pytest.raises(LaurelError, match="systemctl status supervisor"):
        manager.processes()


def test_log_is_the_file_of_the_template(manager: Supervisor, machine_files: Path) -> None:
    for group in ("asgi", "wsgi"):
        conf = (machine_files / f"etc/supervisor/conf.d/{group}.conf").read_text()
        assert f"stdout_logfile={manager.log(f'{group}:{group}%(process_num)d')}\n" in conf
    assert manager.log("worker") == "/var/log/site/worker.log"
