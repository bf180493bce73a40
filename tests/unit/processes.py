"""A process manager without processes."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from laurel.manager import Manager
from laurel.process import Process, groups


def process(
    number: int = 0,
    group: str = "asgi",
    pid: int = 7,
    state: str = "RUNNING",
    uptime: int = 60,
    problem: str = "",
    socket: str = "",
) -> Process:
    """A process of daphne, or of gunicorn in the group `wsgi`; `uptime` is in seconds."""
    server = {"asgi": "daphne", "wsgi": "gunicorn"}[group]
    return Process(
        group=group,
        number=number,
        name=f"{group}:{group}{number}",
        pid=pid,
        state=state,
        uptime=uptime,
        problem=problem,
        socket=socket or f"/run/daphne/{server}{number}.sock",
    )


@dataclass(frozen=True)
class FakeManager(Manager):
    """Records what it does in `done`; it runs what `settings` say, unless `found` is set."""

    service = "supervisor"
    holder = "supervisord"
    files: ClassVar[tuple[Path, ...]] = (Path("/etc/asgi.conf"), Path("/etc/wsgi.conf"))
    procfile = Path("/etc/procfile.conf")

    done: list[str] = field(default_factory=list)
    found: list[Process] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)  # files that it has not taken up

    def processes(self) -> list[Process]:
        return self.found or [
            process(number, group.name, socket=socket)
            for group in groups(self.settings)
            for number, socket in enumerate(group.sockets)
        ]

    def pids(self) -> list[int]:
        return self.running

    def procfile_states(self) -> list[tuple[str, str]]:
        return self.others

    def restart_procfile(self) -> None:
        self.done.append("restart procfile")

    def update_procfile(self) -> None:
        self.done.append("update procfile")

    def restart(self, processes: list[Process]) -> None:
        names = (f"{process.group}{process.number}" for process in processes)
        self.done.append(f"restart {' '.join(names)}")

    def must_restart_all(self, changed: Collection[Path]) -> bool:
        self.unread.update(set(changed) & set(self.files))
        return bool(self.unread)

    def restart_all(self) -> None:
        self.unread.clear()
        self.done.append("restart all")

    def log(self, name: str) -> str:
        return f"the log of {name}"
