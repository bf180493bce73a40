"""A PostgreSQL on this host that can be stopped and started, with its data kept."""

import os
import subprocess
from pathlib import Path

from acceptance.reliability.load import Load
from machine.host import Host

PORT, NAME, PASSWORD = 25432, "site", "faults"
URL = f"DATABASE_URL=postgres://postgres:{PASSWORD}@127.0.0.1:{PORT}/{NAME}"
FOLDER = Path("/var/tmp/laurel-postgresql")  # noqa: S108 # only one run of the faults at a time
USER = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _program(name: str) -> str:
    return str(sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1] / name)


def _run(*command: str) -> None:
    subprocess.run([*USER, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


def create() -> None:
    """Make an empty database and start the server."""
    subprocess.run(["rm", "-rf", FOLDER], check=True)
    secret = Path(f"{FOLDER}.password")
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    _run(_program("initdb"), "-D", str(FOLDER), "-U", "postgres", f"--pwfile={secret}", "-A", "md5")
    secret.unlink()
    _serve()
    subprocess.run(
        [*USER, _program("createdb"), "-h", "127.0.0.1", "-p", str(PORT), "-U", "postgres", NAME],
        check=True,
        env={**os.environ, "PGPASSWORD": PASSWORD},
        cwd="/",
    )


def remove() -> None:
    """Stop the server and remove its data."""
    subprocess.run(
        [*USER, _program("pg_ctl"), "-D", str(FOLDER), "-m", "immediate", "stop"],
        check=False,
        cwd="/",
    )
    subprocess.run(["rm", "-rf", FOLDER], check=True)


def _serve() -> None:
    options = f"-p {PORT} -k {FOLDER} -c listen_addresses=127.0.0.1"
    _run(_program("pg_ctl"), "-D", str(FOLDER), "-w", "-l", f"{FOLDER}/log", "-o", options, "start")


def stop(_machine: Host, _load: Load) -> None:
    """End the server and all its connections."""
    _run(_program("pg_ctl"), "-D", str(FOLDER), "-m", "immediate", "stop")


def start(_machine: Host, _load: Load) -> None:
    """Start it again."""
    _serve()
