"""Places on a machine that several modules use."""

from pathlib import Path

CURRENT = Path("/srv/site/current")  # the release in service
SOCKETS = Path("/run/daphne")  # the guide's folder: one socket for each process
