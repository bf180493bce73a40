"""The faults of a running machine. Each one is planted, holds for a while, and is mended.

A row says what may be lost: by default no request and no websocket.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from acceptance.reliability import attacks, postgresql
from acceptance.reliability.load import Load
from machine.host import Host

NEVER = 0
ANY = 10**9
FAULTS_URL = "/laurel-faults/"

# Views that break their process, added to the site that is under test.
VIEWS = """

import os, signal, time
from django.http import HttpResponse, StreamingHttpResponse

HOARD = []
FLAG = "/var/lib/site/slow-health"

def _kill(request):
    os.kill(os.getpid(), signal.SIGKILL)

def _hang(request):
    time.sleep(3600)

def _leak(request):
    HOARD.append(bytearray(int(request.GET["mib"]) << 20))
    return HttpResponse("ok")

def _bomb(request):
    grown = bytearray()
    while True:
        grown += bytearray(os.urandom(1 << 20)) * 64

def _slow(request):
    if os.path.exists(FLAG):
        time.sleep(30)
    return HttpResponse("ok")

def _broken(request):
    return HttpResponse("broken", status=500 if os.path.exists(FLAG) else 200)

urlpatterns += [
    path("laurel-faults/kill", _kill),
    path("laurel-faults/hang", _hang),
    path("laurel-faults/leak", _leak),
    path("laurel-faults/bomb", _bomb),
    path("laurel-faults/slow", _slow),
    path("laurel-faults/broken", _broken),
]
"""
URLS = "/srv/site/current/django/mysite/urls.py"


@dataclass(frozen=True)
class Row:
    """One fault.

    `plant` and `mend` are commands for the machine, or functions that get it and the load. The
    fault holds for `hold` seconds. `failed` and `lost` are the most requests and websockets that
    may fail; no acknowledged message may be lost.
    """

    name: str
    plant: str | Callable[[Host, Load], None]
    mend: str | Callable[[Host, Load], None] = ""
    hold: float = 5.0
    failed: int = NEVER
    lost: int = NEVER
    settings: str = ""  # lines of site.env that the row needs
    manager: str = ""  # the only PROCESS_MANAGER for which the row makes sense
    note: str = ""
    short: bool = False  # also part of the short run with other servers


def pids(pattern: str) -> str:
    """A shell expression: the pids whose command line matches."""
    return f'$(pgrep -f "{pattern}")'


PROCESSES = "[b]in/(daphne|uvicorn|hypercorn|granian) "
ONE = f'$(pgrep -f "{PROCESSES}" | head -1)'


def ask(path: str, times: int = 1, at_once: int = 1) -> Callable[[Host, Load], None]:
    """A plant that requests a page of VIEWS; the answers do not matter."""

    def plant(_: Host, load: Load) -> None:
        threads = [
            threading.Thread(target=attacks.get, args=(load, FAULTS_URL + path), daemon=True)
            for _ in range(times)
        ]
        for number, thread in enumerate(threads, 1):
            thread.start()
            if number % at_once == 0:
                thread.join(15)

    return plant


GUESTS = 20
ALL = GUESTS + 1  # and the one who writes
# A reload moves some guests from the first half to the second one, which then restarts, too.
TWICE = 2 * ALL

ROWS = (
    Row("kill -9 of nginx's master", "kill -9 $(cat /run/nginx.pid)", failed=ANY, lost=ALL),
    Row(
        "kill -9 of a worker of nginx",
        "kill -9 $(pgrep -P $(cat /run/nginx.pid) | head -1)",
        failed=4,
        lost=ALL,
        note="what this worker carried",
    ),
    Row("kill -9 of Redis", "kill -9 $(pgrep -x redis-server)", lost=ALL, short=True),
    Row("kill -9 of one process of the site", f"kill -9 {ONE}", lost=ALL, short=True),
    Row(
        "kill -9 of all processes of the site at once",
        f"kill -9 {pids(PROCESSES)}",
        failed=ANY,
        lost=ALL,
        note="new requests wait for the first process",
        short=True,
    ),
    Row(
        "kill -9 of supervisord",
        "kill -9 $(pgrep -x supervisord)",
        failed=ANY,
        lost=ALL,
        manager="supervisor",
    ),
    Row("kill -9 of `laurel watch`", f"kill -9 {pids('[l]aurel watch')}"),
    Row(
        "one process stopped (SIGSTOP)",
        f"kill -STOP {ONE}",
        hold=30,
        lost=ALL,
        short=True,
        note="requests wait until the watch kills it",
    ),
    Row(
        "Redis gone for 60 s",
        "systemctl stop redis-server",
        "systemctl start redis-server",
        hold=60,
        lost=ANY,
        note="guests stay; nothing is passed on until it is back",
    ),
    Row(
        "Redis full",
        "redis-cli config set maxmemory 3mb; for i in $(seq 400); do"
        " redis-cli set laurel-$i $(head -c 8000 /dev/zero | tr '\\0' x); done >/dev/null",
        "redis-cli --raw keys 'laurel-*' | xargs redis-cli del >/dev/null;"
        " redis-cli config set maxmemory 64mb",
    ),
    Row(
        "PostgreSQL gone for 60 s",
        postgresql.stop,
        postgresql.start,
        hold=60,
        settings=postgresql.URL,
        failed=ANY,
        note="pages need the database: they answer 500 until it is back",
    ),
    Row(
        "the disk full, and freed",
        "runuser -u nobody -- sh -c 'head -c 500G /dev/zero >/var/tmp/fill' 2>/dev/null; true",
        "rm -f /var/tmp/fill",
        hold=15,
        note="Redis and SQLite write into the reserve",
    ),
    Row(
        "a view that kills its process",
        ask("kill"),
        failed=ANY,
        lost=ALL,
        hold=5,
        note="tried on two processes; both are all that this machine has",
    ),
    Row(
        "a view that kills its process, of four",
        ask("kill"),
        hold=5,
        failed=4,
        lost=ALL,
        settings="PROCESSES=4",
        note="PROCESSES=4; a request may be lost that was on both of the two",
    ),
    Row(
        "a view that hangs, 40 times",
        ask("hang", 40, 40),
        hold=20,
        mend="laurel reload",
        lost=TWICE,
    ),
    Row(
        "the health page takes 30 s",
        "touch /var/lib/site/slow-health",
        "rm /var/lib/site/slow-health",
        hold=45,
        settings=f"HEALTH_PATH={FAULTS_URL}slow",
        note="reported, not killed",
    ),
    Row(
        "the health page answers 500",
        "touch /var/lib/site/slow-health",
        "rm /var/lib/site/slow-health",
        hold=30,
        settings=f"HEALTH_PATH={FAULTS_URL}broken",
        note="reported, not killed",
    ),
    Row(
        "a leak in one process",
        ask("leak?mib=700", 2),
        hold=60,
        lost=TWICE,
        settings="PROCESS_MEMORY=400",
        note="drained and replaced",
    ),
    Row(
        "crash loop in the site's code, and its mend",
        f"cp {URLS} /root/urls.py; echo 'raise SystemExit' >>{URLS};"
        f" kill -9 {pids(PROCESSES)}; sleep 10; laurel reload; true",
        f"cp /root/urls.py {URLS}; laurel reload",
        hold=5,
        failed=ANY,
        lost=ANY,
    ),
    Row(
        "`laurel reload`",
        "laurel reload",
        lost=TWICE,
        short=True,
        note="websockets close with 1012 over CLOSE_SECONDS",
    ),
    Row(
        "/run/daphne removed",
        "rm -rf /run/daphne",
        "systemd-tmpfiles --create daphne.conf; laurel reload",
        failed=ANY,
        lost=ANY,
        note="the shared socket serves until the reload",
    ),
    Row(
        "stale locks and files of a reload",
        f"touch /run/laurel/reload.unfinished /run/daphne/daphne0.sock.lock; kill -9 {ONE}",
        "laurel reload",
        lost=ANY,
    ),
    Row(
        "apt upgrades nginx",
        "cp -p /usr/sbin/nginx /root/nginx.new && mv /root/nginx.new /usr/sbin/nginx;"
        " deb-systemd-invoke restart nginx.service; invoke-rc.d nginx upgrade && laurel upgraded",
        note="its sockets are handed on; websockets stay with the old one",
        hold=8,
    ),
    Row(
        "apt upgrades supervisor",
        "deb-systemd-invoke restart supervisor.service",
        manager="supervisor",
    ),
    Row("10,000 idle websockets", attacks.idle_websockets, hold=15, short=True),
    Row("10,000 frames at once", attacks.frames_at_once, hold=5, short=True),
    Row("a reader that never reads, 600 MB for it", attacks.never_reads, hold=30, short=True),
    Row("2,000 connections with slow headers", attacks.slow_headers, hold=30),
    Row("2,000 connections with slow bodies", attacks.slow_bodies, hold=30),
    Row(
        "600 websockets of one client",
        attacks.one_client,
        hold=5,
        note="beyond CLIENT_WEBSOCKETS: 503",
    ),
    Row(
        "20,000 requests with 24 KB of headers",
        attacks.log_flood,
        hold=10,
        note="the log stays bounded",
    ),
    Row("oversized headers, bodies and frames", attacks.oversized, hold=2),
    Row("bad UTF-8 in paths, headers and frames", attacks.bad_utf8, hold=2),
    Row("request smuggling, 12 pairs", attacks.smuggling, hold=2),
    Row("the front door fuzzed with hypothesis", attacks.fuzz, hold=2),
    Row(
        "everything killed at once",
        f"kill -9 {pids(PROCESSES)} $(pgrep -x redis-server) $(cat /run/nginx.pid)"
        f" {pids('[l]aurel watch')}",
        failed=ANY,
        lost=ALL,
    ),
)
