"""What starts the site's processes and keeps them running: supervisor or systemd."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from laurel.process import Process
from laurel.settings import Settings


@dataclass(frozen=True)
class Manager(ABC):
    """A process manager. Every method raises LaurelError if the manager fails or does not answer.

    Besides the processes that serve the site, it runs those of the project's Procfile.
    """

    settings: Settings

    service: ClassVar[str]
    # The program that holds the shared socket.
    holder: ClassVar[str]
    # If one of these files changes, every process that serves the site must restart.
    files: ClassVar[tuple[Path, ...]]
    procfile: ClassVar[Path]

    @abstractmethod
    def processes(self) -> list[Process]:
        """The processes that serve the site, in order."""

    @abstractmethod
    def pids(self) -> list[int]:
        """The pids of all running processes, those of the Procfile included."""

    @abstractmethod
    def procfile_states(self) -> list[tuple[str, str]]:
        """The name and state of each process of the Procfile."""

    @abstractmethod
    def restart_procfile(self) -> None:
        """Restart the processes of the Procfile, which still run the old code."""

    @abstractmethod
    def update_procfile(self) -> None:
        """Read the changed file of the Procfile's processes; the others keep running."""

    @abstractmethod
    def restart(self, processes: list[Process]) -> None:
        """Stop `processes` and start them again; they may not answer yet when this returns."""

    @abstractmethod
    def must_restart_all(self, changed: Collection[Path]) -> bool:
        """Whether all processes must restart at once, because the files differ from what runs.

        `changed` has the files that this reload has written; an earlier one may have written more.
        """

    @abstractmethod
    def restart_all(self) -> None:
        """Read the changed files and restart every process that serves the site."""

    @abstractmethod
    def log(self, name: str) -> str:
        """Where to read the output of the process `name`."""


def manager_of(settings: Settings) -> Manager:
    """The manager that PROCESS_MANAGER names."""
    # Only the one in use is imported: supervisor's needs XML-RPC, which slows the boot.
    if settings.get("PROCESS_MANAGER") == "systemd":
        from laurel.systemd import Systemd

        return Systemd(settings)
    from laurel.supervisor import Supervisor

    return Supervisor(settings)
