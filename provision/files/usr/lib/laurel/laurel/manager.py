"""The manager of this machine's processes: PROCESS_MANAGER."""

from laurel import supervisor, systemd
from laurel.process import Manager
from laurel.settings import Settings


def manager_of(settings: Settings) -> Manager:
    """The one that these settings name."""
    return systemd if settings.get("PROCESS_MANAGER") == "systemd" else supervisor
