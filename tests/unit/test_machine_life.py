"""The life of a machine, with a guest that is one boot sector."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
import requests
from acceptance import stages
from machine import KernelPanicError, Machine, MachineError, MachineTimeoutError
from machine.clouds import Ec2
from machine.command import run
from machine.disk import GIB
from machine.port import free_ports

TESTS = Path(__file__).parents[1]

# Writes a text on the first serial port, and halts for ever. Loaded at 0x7c00.
BOOT_SECTOR = bytes.fromhex(
    "ba f8 03"  # mov dx, 0x3f8
    "be 15 7c"  # mov si, the text at 0x7c15
    "31 c0 8e d8"  # ds = 0
    "ac 84 c0 74 03 ee eb f8"  # until a zero: out dx, [si++]
    "f4 eb fd"  # hlt, again and again
)
GREETING = "hello from the boot sector"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image"), GREETING)


def make_image(folder: Path, text: str) -> Path:
    raw = folder / "disk.raw"
    code = BOOT_SECTOR + text.encode() + b"\r\n\0"
    raw.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(1024 * 1024 - 512))
    run("qemu-img", "convert", "-O", "qcow2", raw, folder / "disk.qcow2")
    return folder / "disk.qcow2"


def make(image: Path, workdir: Path, forwards: dict[int, int] | None = None) -> Machine:
    return Machine(
        image,
        name="unit",
        cpus=1,
        memory_mib=64,
        accelerator="tcg",
        workdir=workdir,
        forwards=forwards,
    )


@pytest.fixture
def machine(image: Path, tmp_path: Path) -> Iterator[Machine]:
    with make(image, tmp_path) as machine:
        yield machine


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_dead(pid: int, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while lives(pid):
        assert time.monotonic() < end, f"process {pid} still lives"
        time.sleep(0.05)


def wait_for_greeting(machine: Machine, count: int = 1) -> None:
    end = time.monotonic() + 60
    while machine.console_tail().count(GREETING) < count:
        assert time.monotonic() < end, machine.console_tail()
        time.sleep(0.1)


def pid_of(machine: Machine) -> int:
    assert machine.pid is not None
    return machine.pid


def test_leaving_the_context_ends_the_process_and_keeps_only_the_console(
    image: Path, tmp_path: Path
) -> None:
    with make(image, tmp_path) as machine:
        machine.start()
        pid = pid_of(machine)
        assert lives(pid)
        assert machine.running
        assert {path.name for path in machine.folder.iterdir()} == {
            "console.log",
            "disk.qcow2",
            "key",
            "qemu.err",
            "drive.img",
        }
        wait_for_greeting(machine)
    assert not lives(pid)
    assert not machine.running
    assert [path.name for path in machine.folder.iterdir()] == ["console.log"]
    assert GREETING in machine.console_tail()
    machine.close()


def test_the_user_is_that_of_the_images_system(image: Path, tmp_path: Path) -> None:
    ubuntu = tmp_path / "laurel-ubuntu-24.04-amd64.qcow2"
    shutil.copy(image, ubuntu)
    for path, user in ((image, "debian"), (ubuntu, "ubuntu")):
        with make(path, tmp_path) as machine:
            machine.start()
            assert machine.login.user == user


def test_an_error_in_the_context_ends_the_process(image: Path, tmp_path: Path) -> None:
    machine = make(image, tmp_path)

    def fail() -> None:
        with machine:
            machine.start()
            assert lives(pid_of(machine))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert machine.pid is None
    assert list(tmp_path.glob("*/disk.qcow2")) == []


CHILD = """
import sys, threading, time
from pathlib import Path
from machine import Machine

machine = Machine(
    Path(sys.argv[1]), name="child", cpus=1, memory_mib=64, accelerator="tcg",
    workdir=Path(sys.argv[2]),
)
starter = threading.Thread(target=machine.start)
starter.start()
starter.join()
print(machine.pid, flush=True)
if sys.argv[3] == "sleep":
    time.sleep(600)
"""


def start_child(image: Path, workdir: Path, then: str) -> tuple[subprocess.Popen[str], int]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(image), str(workdir), then],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    assert child.stdout is not None
    return child, int(child.stdout.readline())


def test_qemu_dies_with_a_killed_parent_but_not_with_the_thread_that_started_it(
    image: Path, tmp_path: Path
) -> None:
    child, pid = start_child(image, tmp_path, "sleep")
    with child:
        try:
            time.sleep(0.5)  # the starting thread has ended by now
            assert lives(pid)
        finally:
            child.kill()
    wait_until_dead(pid)


def test_a_machine_that_nobody_closed_ends_with_the_interpreter(
    image: Path, tmp_path: Path
) -> None:
    child, pid = start_child(image, tmp_path, "exit")
    with child:
        assert child.wait(30) == 0
    wait_until_dead(pid)
    assert [path.name for path in tmp_path.glob("child-*/*")] == ["console.log"]


def test_the_image_is_never_written(image: Path, tmp_path: Path) -> None:
    before = hashlib.sha256(image.read_bytes()).digest(), image.stat().st_mtime_ns
    with make(image, tmp_path) as machine:
        machine.start()
        wait_for_greeting(machine)
        machine.crash()
        overlay = json.loads(
            run("qemu-img", "info", "--output=json", machine.folder / "disk.qcow2")
        )
        assert overlay["full-backing-filename"] == str(image)
    assert (hashlib.sha256(image.read_bytes()).digest(), image.stat().st_mtime_ns) == before


def test_after_a_crash_it_starts_again_on_the_same_disk_and_port(machine: Machine) -> None:
    machine.start()
    wait_for_greeting(machine)
    port, first, made = machine.ssh_port, pid_of(machine), disk_identity(machine)
    machine.crash()
    assert not lives(first)
    assert not machine.running
    with pytest.raises(MachineError, match="is not running"):
        machine.wait_for_ssh(5)
    machine.start()
    wait_for_greeting(machine, 2)
    assert machine.ssh_port == port
    assert disk_identity(machine) == made
    with pytest.raises(MachineError, match="is running already"):
        machine.start()


def test_the_same_disk_goes_on_in_another_machine(machine: Machine) -> None:
    machine.start()
    with pytest.raises(MachineError, match="shut it down before"):
        machine.refit(cpus=2, firmware="uefi")
    port, made = machine.ssh_port, disk_identity(machine)
    machine.crash()
    machine.refit(cpus=2, firmware="uefi")
    machine.start()
    command = Path(f"/proc/{pid_of(machine)}/cmdline").read_text().split("\0")
    assert command[command.index("-smp") + 1] == "2"
    assert any("pflash" in argument for argument in command)
    assert (machine.ssh_port, disk_identity(machine)) == (port, made)


def disk_identity(machine: Machine) -> int:
    return (machine.folder / "disk.qcow2").stat().st_ino


def test_a_text_on_the_console_is_waited_for_in_each_boot(tmp_path: Path) -> None:
    image = make_image(tmp_path, "Starting \x1b[0;1;39msupervisor.service\x1b[0m - daemon")
    with make(image, tmp_path) as machine:
        for boot in (1, 2):
            machine.start()
            machine.wait_for_console(r"Starting supervisor\.service - d", 60)
            assert machine.console.path.read_bytes().count(b"supervisor.service") == boot
            machine.crash()
        with pytest.raises(MachineError, match="is not running"):
            machine.wait_for_console("Starting", 5)


def test_a_text_that_never_comes_on_the_console_is_named(machine: Machine) -> None:
    machine.start()
    with pytest.raises(MachineTimeoutError, match=r"'no such text' on the console: not so after"):
        machine.wait_for_console("no such text", 1)


def test_a_wait_that_times_out_shows_the_console_once(machine: Machine) -> None:
    machine.start()
    wait_for_greeting(machine)
    start = time.monotonic()
    with pytest.raises(MachineTimeoutError) as caught:
        machine.wait_for_ssh(2)
    assert 2 <= time.monotonic() - start < 6
    assert str(caught.value).startswith("unit: SSH: not so after ")
    assert str(caught.value).count(GREETING) == 1


def test_a_guest_that_ignores_the_power_button_is_an_error(machine: Machine) -> None:
    machine.start()
    with pytest.raises(MachineTimeoutError, match="after the power button"):
        machine.shutdown(1)
    assert machine.running


def test_a_wait_stops_at_once_when_qemu_exits(machine: Machine) -> None:
    machine.start()
    wait_for_greeting(machine)
    Timer(1, os.kill, (pid_of(machine), signal.SIGTERM)).start()
    start = time.monotonic()
    with pytest.raises(MachineError, match=r"QEMU has exited by itself.*signal 15") as caught:
        machine.wait_for_http("/", timeout=60)
    assert time.monotonic() - start < 10
    assert GREETING in str(caught.value)


def test_a_wait_stops_at_once_when_the_kernel_has_panicked(tmp_path: Path) -> None:
    image = make_image(tmp_path, "---[ end Kernel panic - not syncing: no init ]---")
    with make(image, tmp_path) as machine:
        machine.start()
        start = time.monotonic()
        with pytest.raises(MachineError, match=r"(?s)kernel has panicked.*no init"):
            machine.wait_for_ssh(120)
        with pytest.raises(MachineError, match="kernel has panicked"):
            machine.shutdown(120)
        assert time.monotonic() - start < 60
        machine.crash()


def test_a_boot_that_panics_under_emulation_is_begun_again_twice_and_remarked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "remarks", [])
    starts: list[int] = []
    image = make_image(tmp_path, "---[ end Kernel panic - not syncing: int3 ]---")
    with make(image, tmp_path) as machine:

        def boot() -> None:
            machine.start()
            starts.append(1)

        with pytest.raises(KernelPanicError):
            stages.bring_up(machine, boot)
        assert machine.running, "the third boot panicked, too"
        assert len(starts) == 1
    assert len(stages.remarks) == 2
    assert all("panic" in remark for remark in stages.remarks)


def test_the_network_cable_can_be_pulled_and_plugged_in(machine: Machine) -> None:
    machine.start()
    machine.block_network()
    machine.unblock_network()
    machine.crash()
    with pytest.raises(MachineError, match="is not running"):
        machine.block_network()


def test_a_port_that_is_asked_for_and_taken_is_named(image: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            make(image, tmp_path, {80: port}) as machine,
            pytest.raises(MachineError, match=f"port {port} of 127.0.0.1 is taken"),
        ):
            machine.start()
    assert list(tmp_path.glob("*/disk.qcow2")) == []


def test_a_lost_race_for_a_free_port_is_run_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        lost = taken.getsockname()[1]
        rounds = iter([[lost, *free_ports(1)], free_ports(2)])
        monkeypatch.setattr("machine.machine.free_ports", lambda _count: next(rounds))
        machine.start()
        assert machine.running
        assert lost not in (machine.ssh_port, machine.http_port)


def test_a_missing_image_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        make(tmp_path / "none.qcow2", tmp_path / "run") as machine,
        pytest.raises(MachineError, match=r"none\.qcow2: no such image"),
    ):
        machine.start()
    assert list((tmp_path / "run").iterdir()) == []


def test_the_disk_grows_and_never_shrinks(image: Path, tmp_path: Path) -> None:
    with Machine(
        image, name="grown", memory_mib=64, accelerator="tcg", disk_gib=3, workdir=tmp_path
    ) as machine:
        machine.start()
        machine.crash()
        disk = run("qemu-img", "info", "--output=json", machine.folder / "disk.qcow2")
        assert json.loads(disk)["virtual-size"] == 3 * GIB
    run("qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "large.qcow2", "5G")
    with (
        Machine(
            tmp_path / "large.qcow2", name="less", accelerator="tcg", disk_gib=4, workdir=tmp_path
        ) as machine,
        pytest.raises(MachineError, match="has 5 GiB, cannot be shrunk to 4 GiB"),
    ):
        machine.start()


def seed_of(machine: Machine) -> tuple[str, dict[str, object]]:
    seed = machine.folder / "drive.img"
    user_data, meta_data = (
        run("mcopy", "-i", seed, f"::{name}", "-") for name in ("user-data", "meta-data")
    )
    return user_data, json.loads(meta_data)


def test_the_default_seed_has_the_key_of_the_run_and_a_name_of_its_own(
    image: Path, tmp_path: Path
) -> None:
    seen = []
    for _ in range(2):
        with make(image, tmp_path) as machine:
            machine.start()
            user_data, meta_data = seed_of(machine)
            assert machine.public_key.startswith("ssh-ed25519 ")
            assert machine.public_key in user_data
            assert list(meta_data) == ["instance-id"]
            seen.append((machine.public_key, meta_data["instance-id"], machine.folder))
            assert (machine.folder / "key").stat().st_mode & 0o777 == 0o600
    assert all(one != other for one, other in zip(*seen, strict=True))


def test_a_new_seed_makes_another_instance_of_the_same_disk(machine: Machine) -> None:
    with pytest.raises(MachineError, match="has not been started"):
        machine.reseed()
    machine.start()
    with pytest.raises(MachineError, match="before it gets another seed"):
        machine.reseed()
    card = card_of(machine)
    machine.crash()
    disk, key, (_, before) = disk_identity(machine), machine.public_key, seed_of(machine)
    machine.reseed(hostname="web-2", extra_user_data={"runcmd": ["true"]})
    machine.start()
    user_data, after = seed_of(machine)
    assert after["instance-id"] != before["instance-id"]
    assert after["local-hostname"] == "web-2"
    assert key in user_data
    assert "runcmd" in user_data
    assert disk_identity(machine) == disk
    assert card_of(machine) != card


def card_of(machine: Machine) -> str:
    command = Path(f"/proc/{pid_of(machine)}/cmdline").read_text()
    (card,) = re.findall(r"mac=([0-9a-f:]{17})", command)
    return str(card)


def test_user_data_of_ones_own_leaves_the_key_to_the_meta_data(image: Path, tmp_path: Path) -> None:
    script = "#!/bin/sh\ntrue\n"
    with Machine(
        image,
        name="own",
        memory_mib=64,
        accelerator="tcg",
        workdir=tmp_path,
        user_data=script,
        hostname="web-1",
    ) as machine:
        machine.start()
        user_data, meta_data = seed_of(machine)
        assert user_data == script
        assert meta_data["public-keys"] == [machine.public_key]
        assert meta_data["local-hostname"] == "web-1"


def test_an_instance_of_a_cloud_has_no_seed_and_its_key_from_the_metadata(
    image: Path, tmp_path: Path
) -> None:
    with Machine(
        image,
        name="cloud",
        memory_mib=64,
        accelerator="tcg",
        workdir=tmp_path,
        cloud=Ec2(),
        extra_user_data={"timezone": "UTC"},
    ) as machine:
        with pytest.raises(MachineError, match="no cloud serves its metadata"):
            machine.metadata  # noqa: B018 # asking is the test
        machine.start()
        wait_for_greeting(machine)
        assert not (machine.folder / "drive.img").exists()
        url = f"http://127.0.0.1:{machine.metadata.port}/latest"
        with requests.Session() as session:
            session.trust_env = False
            token = session.put(
                f"{url}/api/token",
                headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"},
                timeout=10,
            ).text
            session.headers["X-aws-ec2-metadata-token"] = token
            key = session.get(f"{url}/meta-data/public-keys/0/openssh-key", timeout=10)
            user_data = session.get(f"{url}/user-data", timeout=10)
        assert key.text == machine.public_key
        assert machine.public_key not in user_data.text
        assert '"timezone": "UTC"' in user_data.text
        command = Path(f"/proc/{pid_of(machine)}/cmdline").read_text().split("\0")
        assert command[command.index("-smbios") + 1].startswith("type=1,manufacturer=Amazon EC2")
        machine.crash()
        machine.start()
        assert f":{machine.metadata.port}" in Path(f"/proc/{pid_of(machine)}/cmdline").read_text()
        port = machine.metadata.port
    with socket.socket() as closed, pytest.raises(ConnectionRefusedError):
        closed.connect(("127.0.0.1", port))
    assert len(machine.metadata.log) == 3


def test_a_machine_without_a_network_runs_and_has_no_ports(image: Path, tmp_path: Path) -> None:
    with Machine(
        image, name="alone", memory_mib=64, accelerator="tcg", workdir=tmp_path, network=False
    ) as machine:
        machine.start()
        wait_for_greeting(machine)
        with pytest.raises(MachineError, match="no forward to port 22"):
            machine.wait_for_ssh(5)


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "machine", "--accel", "tcg", str(tmp_path / "none.qcow2")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/none.qcow2: no such image (`make image` builds one)"
    ]
