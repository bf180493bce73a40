"""Places on a machine that several modules name."""

from pathlib import Path

CURRENT = Path("/srv/site/current")  # the release in service
SOCKETS = Path("/run/daphne")  # of the guide: each process has a socket of its own here
