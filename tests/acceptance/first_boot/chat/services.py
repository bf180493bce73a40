"""Services that instances share and Laurel does not run: PostgreSQL, Redis and a load balancer.

They listen on 127.0.0.1 of this host, which guests reach as `GUESTS_HOST`. Each is a context
manager.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from machine.port import free_ports

GUESTS_HOST = "10.0.2.2"  # QEMU's user networking: this host's own 127.0.0.1
TOP = Path(__file__).resolve().parents[4]
START_SECONDS = 60.0
STOP_SECONDS = 30.0
ROLE = "site"
PASSWORD = "of-the-proof-alone"
DATABASE = "site"

# A server ends with this process, even by SIGKILL. A change of user clears this, so it comes last.
LIFELINE = ["setpriv", "--pdeathsig", "INT"]

# The first statement that changes the schema waits for a client with another PGAPPNAME: so two
# machines migrate at the same time, however far apart they started. A sequence keeps its value when
# a transaction is rolled back; pg_stat_activity is cached for a transaction, hence the clear.
MEET = """
CREATE SEQUENCE met MINVALUE 0;
CREATE FUNCTION meet() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    FOR _ IN 1..4000 LOOP
        IF (SELECT last_value FROM met) = 1 THEN
            RETURN;
        END IF;
        PERFORM pg_stat_clear_snapshot();
        PERFORM setval('met', 1) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend'
            AND application_name <> current_setting('application_name');
        PERFORM pg_sleep(0.1);
    END LOOP;
    RAISE EXCEPTION 'no other instance came to migrate';
END $$;
CREATE EVENT TRIGGER meet ON ddl_command_start EXECUTE FUNCTION meet();
"""

BALANCER = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
    upstream instances {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://instances;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            add_header X-Instance $upstream_addr always;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Database:
    """A running PostgreSQL: its port and its log."""

    port: int
    log: Path

    def url(self, host: str = GUESTS_HOST) -> str:
        """Return its DATABASE_URL, by default for a guest."""
        return f"postgres://{ROLE}:{PASSWORD}@{host}:{self.port}/{DATABASE}"

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Return the rows of a query on the site's database."""
        with closing(psycopg.connect(self.url("127.0.0.1"))) as connection:
            return connection.execute(query.encode(), values).fetchall()


@contextmanager
def postgresql() -> Iterator[Database]:
    """Run PostgreSQL with an empty database, which logs each statement that changes the schema."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert programs, "PostgreSQL is not installed (package postgresql)"
    (port,) = free_ports(1)
    with _folder() as folder:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        _give(folder)
        make = _as_user(
            [
                str(programs[-1] / "initdb"),
                "--pgdata", str(folder / "data"),
                "--username", "postgres",
                "--pwfile", str(secret),
                "--auth", "scram-sha-256",
                "--no-sync",
            ]
        )  # fmt: skip
        subprocess.run(make, check=True, capture_output=True, cwd=folder)
        serve = [
            *LIFELINE,
            str(programs[-1] / "postgres"),
            "-D", str(folder / "data"),
            "-p", str(port),
            "-k", str(folder),
            "-c", "listen_addresses=127.0.0.1",
            "-c", "log_statement=ddl",
            "-c", "fsync=off",
        ]  # fmt: skip
        # It listens before it accepts logins.
        ready = "ready to accept connections"
        with _running(_as_user(serve), port, folder, ready) as log:
            administer = f"host=127.0.0.1 port={port} user=postgres password={PASSWORD}"
            with psycopg.connect(f"{administer} dbname=postgres", autocommit=True) as connection:
                connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'".encode())
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}".encode())
            with psycopg.connect(f"{administer} dbname={DATABASE}", autocommit=True) as connection:
                connection.execute(MEET.encode())
            yield Database(port, log)


@contextmanager
def redis() -> Iterator[str]:
    """Run Redis without persistence; yields its URL for guests."""
    assert shutil.which("redis-server"), "Redis is not installed (package redis-server)"
    (port,) = free_ports(1)
    with _folder() as folder:
        _give(folder)
        command = [
            *LIFELINE,
            "redis-server",
            "--bind", "127.0.0.1",
            "--port", str(port),
            "--save", "",
            "--dir", str(folder),
        ]  # fmt: skip
        with _running(_as_user(command), port, folder):
            yield f"redis://{GUESTS_HOST}:{port}"


@contextmanager
def balancer(ports: Sequence[int]) -> Iterator[str]:
    """Run an nginx that balances round-robin over `ports` of 127.0.0.1; yields its URL."""
    binary = subprocess.run(
        [TOP / "tests/nginx-binary.sh"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (port,) = free_ports(1)
    servers = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    with _folder() as folder:
        conf = folder / "nginx.conf"
        conf.write_text(BALANCER.format(folder=folder, port=port, servers=servers))
        command = [*LIFELINE, binary, "-p", str(folder), "-c", str(conf), "-e", "stderr"]
        with _running(command, port, folder):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a temporary folder that another user may enter."""
    with tempfile.TemporaryDirectory(prefix="laurel-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _give(folder: Path) -> None:
    """Give `folder` and the files in it to the user of `_as_user`."""
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "postgres", "postgres")


def _as_user(command: list[str]) -> list[str]:
    """Return `command` for a user other than root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]


@contextmanager
def _running(command: Sequence[str], port: int, folder: Path, ready: str = "") -> Iterator[Path]:
    """Run a server, wait until it listens and has logged `ready`, and yield its log."""
    log = folder / "server.log"
    environment: Mapping[str, str] = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        _wait_until_it_serves(process, port, log, ready)
        yield log
    finally:
        # PostgreSQL's fast shutdown; the others end with it, too.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_serves(
    process: subprocess.Popen[bytes], port: int, log: Path, ready: str
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (ready in log.read_text(errors="replace") and _listens(port)):
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, f"does not serve: {log.read_text()}"
        time.sleep(0.1)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
