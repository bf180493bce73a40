"""What a machine has room for."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from laurel import capacity, forms
from laurel.errors import LaurelError
from laurel.settings import Settings

MakeSettings = Callable[..., Settings]
Resize = Callable[[int, int], None]


@pytest.fixture
def resize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resize:
    """Gives the machine some MiB of memory and some CPUs."""
    monkeypatch.setattr(capacity, "MEMORY", tmp_path / "meminfo")

    def run(mib: int, cpus: int) -> None:
        capacity.MEMORY.write_text(f"MemFree: 1 kB\nMemTotal:   {mib * 1024} kB\n")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cpus)))

    return run


@pytest.mark.parametrize(
    ("mib", "cpus", "server", "processes", "fewest", "most"),
    [
        (1967, 2, "same", 2, 10_000, 15_000),  # what a machine of 2 GB has
        (1967, 2, "gunicorn", 2, 10_000, 12_000),
        (460, 1, "same", 1, 512, 512),
        (32_000, 64, "same", 64, 65_535, 65_535),
    ],
)
def test_connections_follow_the_memory(
    resize: Resize,
    make_settings: MakeSettings,
    mib: int,
    cpus: int,
    server: str,
    processes: int,
    fewest: int,
    most: int,
) -> None:
    resize(mib, cpus)
    values = make_settings(PROCESSES="auto", HTTP_SERVER=server).values
    assert capacity.processes(values) == processes
    assert fewest <= capacity.connections(values) <= most


@pytest.mark.parametrize(
    ("mib", "values", "memory"),
    [
        (4096, {}, (4096 - 256 - 409) // 2),
        (4096, {"HTTP_SERVER": "gunicorn"}, (4096 - 256 - 409) // 4),
        (512, {}, 256),
        (4096, {"PROCESS_MEMORY": "300"}, 300),
    ],
)
def test_processes_share_the_memory(
    resize: Resize, make_settings: MakeSettings, mib: int, values: dict[str, str], memory: int
) -> None:
    resize(mib, 2)
    assert capacity.process_memory(make_settings(2, **values).values) == memory


def test_redis_gets_a_tenth_of_the_memory(resize: Resize) -> None:
    for mib, share in ((2000, 200), (100, 32)):
        resize(mib, 1)
        assert capacity.redis_memory() == share


@pytest.mark.parametrize(
    ("max_body", "uploads"),
    [("10m", 102), ("1g", capacity.FEWEST_UPLOADS), ("1k", forms.MOST_CONNECTIONS)],
)
def test_uploads_fill_a_tenth_of_the_disk(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, max_body: str, uploads: int
) -> None:
    disk = SimpleNamespace(f_blocks=10 << 18, f_frsize=4096)  # 10 GiB
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    assert capacity.uploads(make_settings(MAX_BODY=max_body).values) == uploads


def test_unreadable_memory_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "MEMORY", tmp_path / "meminfo")
    capacity.MEMORY.write_text("oops\n")
    with pytest.raises(LaurelError, match="meminfo does not say how much memory"):
        capacity.memory()
