"""The site's processes as units: what is asked of systemd, by a stand-in for systemctl."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import port, procfile, rolling, status, systemd
from laurel.errors import LaurelError
from laurel.manager import manager_of
from laurel.process import Process
from laurel.settings import Settings

MakeSettings = Callable[..., Settings]

# Notes each call, and tells of the units that it knows: all that match a pattern, and any by name.
SYSTEMCTL = """\
import fnmatch, json, pathlib, sys
state = pathlib.Path({state!r})
told = json.loads(state.read_text())
verb, *arguments = sys.argv[1:]
if verb == told["failing"]:
    sys.exit(f"Failed to {{verb}}: no")
if verb != "show":
    told["calls"].append([verb, *arguments])
    state.write_text(json.dumps(told))
    sys.exit()
option, *units = arguments
properties = option.removeprefix("--property=").split(",")
ended = {{"ActiveState": "inactive", "SubState": "dead", "MainPID": "0", "Result": "success",
         "ExecMainStartTimestampMonotonic": "0", "NeedDaemonReload": "no"}}
blocks = []
for unit in units:
    found = fnmatch.filter(told["units"], unit) if "*" in unit else [unit]
    for name in found:
        values = {{**ended, "Id": name, **told["units"].get(name, {{}})}}
        blocks.append("".join(f"{{key}}={{values[key]}}\\n" for key in properties))
print("\\n".join(blocks), end="")
"""


class Systemd:
    """The units that systemd knows of, and what it was told to do."""

    def __init__(self, state: Path) -> None:
        self._state = state
        state.write_text(json.dumps({"units": {}, "calls": [], "failing": ""}))

    def _change(self, key: str, value: object) -> None:
        self._state.write_text(json.dumps({**json.loads(self._state.read_text()), key: value}))

    def add(self, unit: str, active: str = "active", sub: str = "running", **others: str) -> None:
        """A unit; one that runs has a pid."""
        units = json.loads(self._state.read_text())["units"]
        pid = "4711" if (active, sub) == ("active", "running") else "0"
        units[unit] = {"ActiveState": active, "SubState": sub, "MainPID": pid, **others}
        self._change("units", units)

    def fail(self, verb: str) -> None:
        """Refuse `verb` from now on."""
        self._change("failing", verb)

    @property
    def calls(self) -> list[list[str]]:
        found: list[list[str]] = json.loads(self._state.read_text())["calls"]
        return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """A machine whose `systemctl` is a stand-in, where no process runs yet."""
    state = tmp_path / "systemd.json"
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable} -IS\n{SYSTEMCTL.format(state=str(state))}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return Systemd(state)


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(2, PROCESS_MANAGER="systemd")


@pytest.fixture
def with_procfile(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Those of a machine whose project has a Procfile with two processes beside the site."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Procfile").write_text("web: x\nworker: y\nbeat-1: z\n")
    monkeypatch.setattr(procfile, "CURRENT", tmp_path)
    return make_settings(1, PROCESS_MANAGER="systemd", PROCFILE="Procfile")


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "refused", lambda _: None)


def test_the_setting_chooses_the_manager(settings: Settings, make_settings: MakeSettings) -> None:
    assert manager_of(settings) is systemd
    assert manager_of(make_settings()) is not systemd


# What runs


def test_a_process_is_described(machine: Systemd, make_settings: MakeSettings) -> None:
    started = str(int((time.monotonic() - 60) * 1e6))
    machine.add("asgi@0.service", ExecMainStartTimestampMonotonic=started)
    (process,) = systemd.processes(make_settings(1, ASGI_SERVER="uvicorn"))
    assert 60 <= process.uptime < 90
    assert (process.group, process.number, process.name) == ("asgi", 0, "asgi@0")
    assert (process.pid, process.state, process.problem) == (4711, "RUNNING", "")
    assert process.socket == "/run/daphne/uvicorn0.sock"


def test_processes_come_in_the_order_of_their_groups_and_numbers(
    machine: Systemd, make_settings: MakeSettings
) -> None:
    for name in ("wsgi@1", "asgi@10", "asgi@2", "wsgi@0"):
        machine.add(f"{name}.service")
    settings = make_settings(11, HTTP_SERVER="gunicorn")
    names = [process.name for process in systemd.processes(settings)]
    assert names == [f"{group}@{number}" for group in ("asgi", "wsgi") for number in range(11)]


def test_a_process_that_should_run_and_does_not_is_there(
    machine: Systemd, settings: Settings
) -> None:
    machine.add("asgi@1.service")
    found = [(process.name, process.pid, process.state) for process in systemd.processes(settings)]
    assert found == [("asgi@0", 0, "STOPPED"), ("asgi@1", 4711, "RUNNING")]


def test_one_too_many_is_there_for_as_long_as_it_runs(machine: Systemd, settings: Settings) -> None:
    machine.add("asgi@2.service")
    machine.add("asgi@3.service", "failed", "failed")
    assert [process.number for process in systemd.processes(settings)] == [0, 1, 2]


def test_a_group_that_serves_no_more_is_left_out(machine: Systemd, settings: Settings) -> None:
    machine.add("wsgi@0.service")
    machine.add("asgi@extra.service")
    assert [process.name for process in systemd.processes(settings)] == ["asgi@0", "asgi@1"]


@pytest.mark.parametrize(
    ("active", "sub", "state"),
    [
        ("active", "running", "RUNNING"),
        ("reloading", "reload", "RUNNING"),
        ("activating", "start", "STARTING"),
        ("activating", "auto-restart", "BACKOFF"),
        ("activating", "auto-restart-queued", "BACKOFF"),  # of systemd 254 and later
        ("deactivating", "stop-sigterm", "STOPPING"),
        ("inactive", "dead", "STOPPED"),
        ("failed", "failed", "FATAL"),
        ("maintenance", "dead", "MAINTENANCE"),
    ],
)
def test_a_state_is_told_in_the_words_of_supervisor(
    machine: Systemd, make_settings: MakeSettings, active: str, sub: str, state: str
) -> None:
    machine.add("asgi@0.service", active, sub)
    (process,) = systemd.processes(make_settings(1))
    assert process.state == state
    assert systemd.fails_to_start(process) is (state == "BACKOFF")


def test_how_a_process_ended_is_told_with_where_to_read_why(
    machine: Systemd, make_settings: MakeSettings
) -> None:
    machine.add("asgi@0.service", "activating", "auto-restart", Result="exit-code")
    (process,) = systemd.processes(make_settings(1))
    assert process.problem == "(exit-code: see `journalctl -u asgi@0`)"


def test_the_pids_are_those_of_all_that_run(machine: Systemd) -> None:
    machine.add("asgi@0.service", MainPID="1")
    machine.add("wsgi@0.service", MainPID="2")
    machine.add("procfile@worker.service", MainPID="3")
    machine.add("asgi@1.service", "activating", "auto-restart")
    machine.add("nginx.service", MainPID="4")
    assert systemd.pids() == [1, 2, 3]


def test_the_processes_of_the_procfile_are_told_those_that_do_not_run_too(
    machine: Systemd, with_procfile: Settings
) -> None:
    machine.add("procfile@beat-1.service")
    machine.add("procfile@gone.service")
    machine.add("procfile@ended.service", "inactive", "dead")
    assert systemd.others(with_procfile) == [
        ("procfile@worker", "STOPPED"),
        ("procfile@beat-1", "RUNNING"),
        ("procfile@gone", "RUNNING"),
    ]


# What it is told to do


def test_a_process_is_restarted_by_its_unit(machine: Systemd) -> None:
    systemd.restart(Process("asgi", 3, "asgi@3", 4711, "RUNNING", 60, "", ""))
    assert machine.calls == [["restart", "asgi@3.service"]]


def test_what_the_procfile_has_no_longer_is_stopped_and_the_rest_restarted(
    machine: Systemd, with_procfile: Settings
) -> None:
    machine.add("procfile@worker.service")
    machine.add("procfile@gone.service")
    systemd.restart_others(with_procfile)
    assert machine.calls == [
        ["stop", "procfile@gone.service"],
        ["restart", "procfile@worker.service", "procfile@beat-1.service"],
    ]


def test_without_a_procfile_nothing_is_restarted(machine: Systemd, settings: Settings) -> None:
    systemd.restart_others(settings)
    assert machine.calls == []


@pytest.mark.parametrize(
    ("running", "changed", "wanted"),
    [
        (["asgi@0", "asgi@1"], [], False),
        (["asgi@0"], [], False),  # the other one is started in its turn
        (["asgi@0", "asgi@1"], [systemd.PROCFILE, Path("/etc/nginx/x")], False),
        (["asgi@0", "asgi@1"], [systemd.UNITS / "asgi@.service"], True),
        (["asgi@0", "asgi@1"], [systemd.UNITS / "wsgi@.service"], True),
        (["asgi@0", "asgi@1"], [systemd.UNITS / "asgi.socket"], True),
        (["asgi@0", "asgi@1", "asgi@2"], [], True),
        (["asgi@0", "asgi@1", "wsgi@0"], [], True),
        ([], [], True),
    ],
)
def test_all_restart_at_once_for_changed_units_or_if_too_many_run(
    machine: Systemd, settings: Settings, running: list[str], changed: list[Path], wanted: bool
) -> None:
    for name in running:
        machine.add(f"{name}.service")
    machine.add("asgi@7.service", "inactive", "dead")
    assert systemd.must_restart(settings, changed) is wanted


@pytest.mark.parametrize("unit", ["asgi@0.service", "asgi@1.service", "asgi.socket"])
def test_all_restart_at_once_for_a_unit_that_a_reload_before_did_not_take_up(
    machine: Systemd, settings: Settings, unit: str
) -> None:
    for name in ("asgi@0.service", "asgi@1.service", "asgi.socket"):
        machine.add(name)
    assert not systemd.must_restart(settings, [])
    machine.add(unit, NeedDaemonReload="yes")
    assert systemd.must_restart(settings, [])


def test_another_procfile_is_read_and_stops_nothing(machine: Systemd, settings: Settings) -> None:
    systemd.update_others(settings)
    assert machine.calls == [["daemon-reload"]]


def test_all_end_as_what_they_were_before_systemd_reads_the_new_units(
    machine: Systemd, settings: Settings
) -> None:
    systemd.update(settings)
    assert machine.calls == [
        ["stop", "laurel-processes.service", "asgi.socket"],
        ["daemon-reload"],
        ["start", "laurel-processes.service"],
    ]


@pytest.mark.usefixtures("free_port")
def test_the_socket_is_waited_for_at_the_start_and_no_process(
    machine: Systemd, make_settings: MakeSettings
) -> None:
    systemd.start(make_settings(2, HTTP_SERVER="gunicorn", PROCESS_MANAGER="systemd"))
    units = ["asgi@0", "asgi@1", "wsgi@0", "wsgi@1"]
    assert machine.calls == [
        ["start", "asgi.socket"],
        ["start", "--no-block", *(f"{unit}.service" for unit in units)],
    ]


@pytest.mark.usefixtures("free_port")
def test_the_processes_of_the_procfile_start_with_the_others(
    machine: Systemd, with_procfile: Settings
) -> None:
    systemd.start(with_procfile)
    units = ["asgi@0.service", "procfile@worker.service", "procfile@beat-1.service"]
    assert machine.calls[-1] == ["start", "--no-block", *units]


def test_a_server_that_shares_no_socket_starts_without(
    machine: Systemd, make_settings: MakeSettings
) -> None:
    systemd.start(make_settings(1, ASGI_SERVER="uvicorn", PROCESS_MANAGER="systemd"))
    assert machine.calls == [["start", "--no-block", "asgi@0.service"]]


def test_a_taken_port_is_told_with_who_holds_it_and_nothing_starts(
    machine: Systemd, make_settings: MakeSettings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = held.getsockname()[1]
        settings = make_settings(1, PROCESS_MANAGER="systemd", BIND_PORT=str(taken))
        with pytest.raises(LaurelError, match=rf"127\.0\.0\.1:{taken} is taken by .*{os.getpid()}"):
            systemd.start(settings)
        assert machine.calls == []
        # It is systemd itself that holds it.
        machine.add("asgi.socket", "active", "running")
        systemd.start(settings)
    assert machine.calls[-1] == ["start", "--no-block", "asgi@0.service"]


@pytest.mark.usefixtures("free_port")
def test_a_unit_that_has_changed_since_it_was_read_is_read_again(
    machine: Systemd, settings: Settings
) -> None:
    machine.add("asgi@1.service", "inactive", "dead", NeedDaemonReload="yes")
    systemd.start(settings)
    assert machine.calls[0] == ["daemon-reload"]


def test_what_systemctl_refuses_is_told(machine: Systemd, settings: Settings) -> None:
    machine.fail("restart")
    with pytest.raises(LaurelError, match=r"systemctl restart asgi@0\.service: Failed to restart"):
        systemd.restart(Process("asgi", 0, "asgi@0", 0, "FATAL", 0, "", ""))
    machine.fail("show")
    with pytest.raises(LaurelError, match="Failed to show"):
        systemd.processes(settings)


def test_the_log_of_a_process_is_in_the_journal() -> None:
    assert systemd.log("asgi@0") == "`journalctl -u asgi@0`"


# What the rest of Laurel makes of it


def test_more_processes_than_should_run_are_put_right_by_the_next_provisioning(
    machine: Systemd, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "UNFINISHED", tmp_path / "unfinished")
    monkeypatch.setattr(rolling.settings, "load", lambda: settings)
    for number in range(2):
        machine.add(f"asgi@{number}.service", MainPID=str(os.getpid()))
    assert not rolling.outdated()
    machine.add("asgi@2.service")
    assert rolling.outdated()


@pytest.mark.parametrize(
    ("holder", "problems"),
    [
        ("daphne (pid 7), systemd (pid 1)", []),
        (
            "python3 (pid 9)",
            ["port 8000 is held by python3 (pid 9), not by systemd: stop that program"],
        ),
    ],
)
def test_who_holds_the_port_in_place_of_systemd_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, holder: str, problems: list[str]
) -> None:
    monkeypatch.setattr(port, "holder", lambda _: holder)
    assert list(status._port_problem(settings, systemd.HOLDER)) == problems
