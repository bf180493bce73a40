"""The limits of a machine, which follow from its memory."""

import re

import pytest
from acceptance.choice import each_group
from acceptance.processes import processes

SMALL_MIB = 4096  # up to this size, a machine has swap in compressed memory
DESCRIPTORS = 65536


def test_nginx_has_room_for_each_client_and_its_process(machine):
    shown = machine.succeed("nginx -T 2>/dev/null")
    (everyone,) = re.findall(r"^ *limit_conn everyone (\d+);", shown, re.MULTILINE)
    (of_a_worker,) = re.findall(r"^worker_connections (\d+);", shown, re.MULTILINE)
    assert int(of_a_worker) > 2 * int(everyone) >= 1024
    for worker in machine.succeed("pgrep -P $(cat /run/nginx.pid)").split():
        assert _open_files(machine, worker) > 2 * int(everyone)


@each_group
def test_process_may_open_many_files(machine, group):
    for process in processes(machine, group):
        assert _open_files(machine, process.pid) >= DESCRIPTORS


def _open_files(machine, pid):
    """How many files a process may open (proc(5))."""
    limits = machine.succeed(f"cat /proc/{pid}/limits")
    return int(re.search(r"^Max open files +(\d+)", limits, re.MULTILINE)[1])


@each_group
def test_kernel_ends_a_process_of_the_site_first(machine, group):
    for process in processes(machine, group):
        score = machine.succeed(f"cat /proc/{process.pid}/oom_score_adj")
        assert int(score) > 0


@pytest.mark.where(PROCESS_MANAGER="supervisor")
def test_one_ended_process_does_not_end_supervisor(machine):
    shown = machine.succeed("systemctl show supervisor --property OOMPolicy,MemoryMax")
    assert "OOMPolicy=continue" in shown
    assert "MemoryMax=infinity" not in shown


def test_redis_has_a_limit(machine):
    assert int(machine.succeed("redis-cli config get maxmemory").split()[1]) > 0
    assert "volatile-lru" in machine.succeed("redis-cli config get maxmemory-policy")


def test_redis_may_copy_itself(machine):
    assert machine.succeed("cat /proc/sys/vm/overcommit_memory").strip() == "1"


@pytest.mark.sealed
def test_small_machine_has_swap_in_memory(machine):
    total = int(machine.succeed("awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo"))
    assert ("zram" in machine.succeed("cat /proc/swaps")) == (total <= SMALL_MIB)


def test_redis_and_the_site_may_use_the_reserve(machine):
    groups = [machine.succeed(f"id -nG {user}").split() for user in ("site", "redis")]
    assert all("laurel-reserve" in each for each in groups)
    disk = machine.succeed("findmnt -no SOURCE /").strip()
    gid = machine.succeed("getent group laurel-reserve").split(":")[2]
    if machine.execute(f"test -b {disk}").status == 0:
        shown = dict(re.findall(r"^(.+):\s+(\d+)", machine.succeed(f"tune2fs -l {disk}"), re.M))
        assert shown["Reserved blocks gid"] == gid
        assert int(shown["Reserved block count"]) > 0.02 * int(shown["Block count"])
