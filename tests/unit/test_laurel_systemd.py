"""systemd as the manager: what is asked of systemctl."""

import fnmatch
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import Mock

import pytest
from laurel import port, procfile, systemd
from laurel.errors import LaurelError
from laurel.process import Process
from laurel.settings import Settings
from laurel.systemd import Systemd

MakeSettings = Callable[..., Settings]

ENDED = {
    "ActiveState": "inactive",
    "SubState": "dead",
    "MainPID": "0",
    "Result": "success",
    "ExecMainStartTimestampMonotonic": "0",
    "NeedDaemonReload": "no",
}


@dataclass
class Systemctl:
    """Shows the units that were added, and records every other call."""

    units: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)

    def add(self, unit: str, active: str = "active", sub: str = "running", **others: str) -> None:
        """Add a unit; a running one has a pid."""
        pid = "4711" if sub == "running" else "0"
        self.units[unit] = {"ActiveState": active, "SubState": sub, "MainPID": pid, **others}

    def __call__(self, verb: str, *arguments: str) -> str:
        if verb != "show":
            self.calls.append([verb, *arguments])
            return ""
        shown = []
        for unit in arguments[1:]:
            for name in fnmatch.filter(self.units, unit) if "*" in unit else [unit]:
                values = {"Id": name, **ENDED, **self.units.get(name, {})}
                shown.append("".join(f"{key}={value}\n" for key, value in values.items()))
        return "\n".join(shown)


@pytest.fixture
def systemctl(monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    """A stand-in, on a machine where no process runs yet and the port is free."""
    monkeypatch.setattr(systemd, "_systemctl", stand_in := Systemctl())
    monkeypatch.setattr(port, "check", lambda _: None)
    return stand_in


@pytest.fixture
def manager(make_settings: MakeSettings) -> Systemd:
    """systemd with two processes of daphne."""
    return Systemd(make_settings(2, PROCESS_MANAGER="systemd"))


@pytest.fixture
def with_procfile(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Systemd:
    """systemd with one process of daphne and two of a Procfile."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Procfile").write_text("web: x\nworker: y\nbeat-1: z\n")
    monkeypatch.setattr(procfile, "CURRENT", tmp_path)
    return Systemd(make_settings(1, PROCESS_MANAGER="systemd", PROCFILE="Procfile"))


# What runs


def test_processes_are_described_in_order(
    systemctl: Systemctl, make_settings: MakeSettings
) -> None:
    started = str(int((time.monotonic() - 60) * 1e6))
    for name in ("wsgi@1", "asgi@10", "asgi@2", "wsgi@0"):
        systemctl.add(f"{name}.service", ExecMainStartTimestampMonotonic=started)
    found = Systemd(make_settings(11, ASGI_SERVER="uvicorn", HTTP_SERVER="gunicorn")).processes()
    names = [process.name for process in found]
    assert names == [f"{group}@{number}" for group in ("asgi", "wsgi") for number in range(11)]
    assert 60 <= found[2].uptime < 90
    assert found[2] == Process(
        "asgi", 2, "asgi@2", 4711, "RUNNING", found[2].uptime, "", "/run/daphne/uvicorn2.sock"
    )


def test_missing_and_surplus_processes_are_listed(systemctl: Systemctl, manager: Systemd) -> None:
    systemctl.add("asgi@1.service")
    systemctl.add("asgi@2.service")
    systemctl.add("asgi@3.service", "failed", "failed")
    systemctl.add("wsgi@0.service")
    systemctl.add("asgi@extra.service")
    assert [(process.name, process.state) for process in manager.processes()] == [
        ("asgi@0", "STOPPED"),
        ("asgi@1", "RUNNING"),
        ("asgi@2", "RUNNING"),
    ]


@pytest.mark.parametrize(
    ("active", "sub", "state"),
    [
        ("active", "running", "RUNNING"),
        ("activating", "start", "STARTING"),
        ("activating", "auto-restart", "BACKOFF"),
        ("activating", "auto-restart-queued", "BACKOFF"),  # of systemd 254 and later
        ("inactive", "dead", "STOPPED"),
        ("failed", "failed", "FATAL"),
    ],
)
def test_states_have_supervisors_names(
    systemctl: Systemctl, manager: Systemd, active: str, sub: str, state: str
) -> None:
    systemctl.add("asgi@0.service", active, sub, Result="exit-code")
    process = manager.processes()[0]
    assert process.state == state
    assert process.problem == "(exit-code: see `journalctl -u asgi@0`)"


def test_pids_are_those_of_all_running_processes(systemctl: Systemctl, manager: Systemd) -> None:
    for pid, name in enumerate(("asgi@0", "wsgi@0", "procfile@worker", "nginx"), start=1):
        systemctl.add(f"{name}.service", MainPID=str(pid))
    systemctl.add("asgi@1.service", "activating", "auto-restart")
    assert manager.pids() == [1, 2, 3]


def test_stopped_procfile_processes_are_listed(
    systemctl: Systemctl, with_procfile: Systemd
) -> None:
    systemctl.add("procfile@beat-1.service")
    systemctl.add("procfile@removed.service")
    systemctl.add("procfile@ended.service", "inactive", "dead")
    assert with_procfile.procfile_states() == [
        ("procfile@worker", "STOPPED"),
        ("procfile@beat-1", "RUNNING"),
        ("procfile@removed", "RUNNING"),
    ]


# What it does


def test_removed_procfile_process_is_stopped(systemctl: Systemctl, with_procfile: Systemd) -> None:
    systemctl.add("procfile@worker.service")
    systemctl.add("procfile@removed.service")
    with_procfile.update_procfile()
    with_procfile.restart_procfile()
    assert systemctl.calls == [
        ["daemon-reload"],
        ["stop", "procfile@removed.service"],
        ["restart", "procfile@worker.service", "procfile@beat-1.service"],
    ]


@pytest.mark.parametrize(
    ("running", "changed", "wanted"),
    [
        (["asgi@0", "asgi@1"], [], False),
        (["asgi@0"], [], False),  # a rolling restart starts the other one
        (["asgi@0", "asgi@1"], [Systemd.procfile, Path("/etc/nginx/x")], False),
        (["asgi@0", "asgi@1"], [Systemd.files[0]], True),
        (["asgi@0", "asgi@1", "asgi@2"], [], True),
        ([], [], True),
    ],
)
def test_all_restart_for_changed_units_or_surplus_processes(
    systemctl: Systemctl, manager: Systemd, running: list[str], changed: list[Path], wanted: bool
) -> None:
    for name in running:
        systemctl.add(f"{name}.service")
    systemctl.add("asgi@7.service", "inactive", "dead")
    assert manager.must_restart_all(changed) is wanted


def test_all_restart_for_a_unit_that_an_earlier_reload_wrote(
    systemctl: Systemctl, manager: Systemd
) -> None:
    systemctl.add("asgi@0.service")
    systemctl.add("asgi.socket", NeedDaemonReload="yes")
    assert manager.must_restart_all([])


def test_processes_restart_at_the_same_time(systemctl: Systemctl, manager: Systemd) -> None:
    manager.restart(manager.processes())
    assert systemctl.calls == [["restart", "asgi@0.service", "asgi@1.service"]]


def test_units_stop_before_systemd_reads_new_files(systemctl: Systemctl, manager: Systemd) -> None:
    manager.restart_all()
    assert systemctl.calls == [
        ["stop", "laurel-processes.service", "asgi.socket"],
        ["daemon-reload"],
        ["start", "laurel-processes.service"],
    ]


def test_start_waits_for_the_socket_only(
    systemctl: Systemctl, with_procfile: Systemd, make_settings: MakeSettings
) -> None:
    systemctl.add("asgi@0.service", "inactive", "dead", NeedDaemonReload="yes")
    systemd.start(with_procfile.settings)
    units = ["asgi@0.service", "procfile@worker.service", "procfile@beat-1.service"]
    assert systemctl.calls == [
        ["daemon-reload"],
        ["start", "asgi.socket"],
        ["start", "--no-block", *units],
    ]
    systemctl.calls.clear()
    systemctl.units.clear()
    systemd.start(make_settings(1, ASGI_SERVER="uvicorn", HTTP_SERVER="gunicorn"))
    assert systemctl.calls == [["start", "--no-block", "asgi@0.service", "wsgi@0.service"]]


def test_taken_port_stops_the_start_unless_systemd_holds_it(
    systemctl: Systemctl, manager: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "check", Mock(side_effect=LaurelError("taken")))
    with pytest.raises(LaurelError, match="taken"):
        systemd.start(manager.settings)
    assert systemctl.calls == []
    systemctl.add("asgi.socket")
    systemd.start(manager.settings)
    assert systemctl.calls[-1][:2] == ["start", "--no-block"]


def test_error_of_systemctl_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Failed to stop: no\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(LaurelError, match=r"systemctl stop a\.service: Failed to stop: no"):
        systemd._systemctl("stop", "a.service")
