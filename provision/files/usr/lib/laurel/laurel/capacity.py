"""What a machine has room for, computed from its memory: docs/reliability.md has the formula.

The figures are of Debian 13 on amd64, from `free` and smaps_rollup.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from laurel import forms
from laurel.errors import LaurelError

MEMORY = Path("/proc/meminfo")
UPLOADS = Path("/var/lib/nginx")  # nginx keeps there the bodies that it is still receiving

SYSTEM = 256  # MiB; a small project's machine uses 257 beside its processes
PROCESS = 128  # MiB; an idle process has 60, and gets about as much again for its visitors
REDIS_SHARE = 10  # Redis' data get this part of the memory
CONNECTION = 96  # KiB; an idle websocket of Daphne has 70, in nginx, the kernel and the process
FEWEST_CONNECTIONS = 512
FEWEST_UPLOADS = 8
UPLOADS_SHARE = 10  # uploads get this part of the disk


def memory() -> int:
    """The machine's memory in MiB."""
    total = re.search(r"^MemTotal: +(\d+) kB", MEMORY.read_text(), re.MULTILINE)
    if not total:
        raise LaurelError(f"{MEMORY} does not say how much memory there is (MemTotal)")
    return int(total[1]) // 1024


def redis_memory() -> int:
    """MiB for the data of the machine's own Redis."""
    return max(32, memory() // REDIS_SHARE)


def processes(values: Mapping[str, str]) -> int:
    """The number of processes of each server."""
    if values["PROCESSES"] != "auto":
        return int(values["PROCESSES"])
    room = (memory() - SYSTEM) // (PROCESS * _servers(values))
    return max(1, min(len(os.sched_getaffinity(0)), room))


def process_memory(values: Mapping[str, str]) -> int:
    """MiB that one process may use before it is replaced."""
    if values["PROCESS_MEMORY"] != "auto":
        return int(values["PROCESS_MEMORY"])
    room = memory() - SYSTEM - redis_memory()
    return max(2 * PROCESS, room // (processes(values) * _servers(values)))


def connections(values: Mapping[str, str]) -> int:
    """How many requests and websockets the machine serves at a time."""
    used = SYSTEM + redis_memory() + PROCESS * processes(values) * _servers(values)
    room = (memory() - used) * 1024 // CONNECTION
    return min(max(FEWEST_CONNECTIONS, room), forms.MOST_CONNECTIONS)


def uploads(values: Mapping[str, str]) -> int:
    """How many large bodies of requests nginx receives at a time."""
    folder = UPLOADS if UPLOADS.is_dir() else Path("/")
    disk = os.statvfs(folder)
    room = disk.f_blocks * disk.f_frsize // UPLOADS_SHARE
    largest = forms.bytes_of(values["MAX_BODY"]) or room  # 0: a body of any size
    return min(max(FEWEST_UPLOADS, room // largest), forms.MOST_CONNECTIONS)


def _servers(values: Mapping[str, str]) -> int:
    """How many servers have `processes` processes: with one for pages, there are two."""
    return 1 if values["HTTP_SERVER"] == "same" else 2
