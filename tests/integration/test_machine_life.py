"""The life of a machine under QEMU, with a boot sector as its guest."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest
from acceptance import stages
from machine import KernelPanicError, Machine, MachineError, MachineTimeoutError, ssh
from machine.command import run
from machine.port import free_ports

# Writes a text on the first serial port, and halts. Loaded at 0x7c00.
BOOT_SECTOR = bytes.fromhex(
    "ba f8 03"  # mov dx, 0x3f8
    "be 15 7c"  # mov si, the text at 0x7c15
    "31 c0 8e d8"  # ds = 0
    "ac 84 c0 74 03 ee eb f8"  # until a zero: out dx, [si++]
    "f4 eb fd"  # hlt for ever
)
GREETING = "hello from the boot sector"


def make_image(folder: Path, text: str) -> Path:
    raw = folder / "disk.raw"
    code = BOOT_SECTOR + text.encode() + b"\r\n\0"
    raw.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(1024 * 1024 - 512))
    run("qemu-img", "convert", "-O", "qcow2", raw, folder / "disk.qcow2")
    return folder / "disk.qcow2"


def make(image: Path, workdir: Path, *, http_port: int = 0) -> Machine:
    return Machine(
        image,
        name="unit",
        cpus=1,
        memory_mib=64,
        accelerator="tcg",
        workdir=workdir,
        http_port=http_port,
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image"), GREETING)


def run_alone(top: Path, image: Path) -> subprocess.Popen[str]:
    """`make run`, without a fixed port."""
    return subprocess.Popen(
        [sys.executable, "-m", "machine", "--accel", "tcg", "--http-port", "0", image],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(top / "tests")},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_run_leaves_no_process(top: Path, image: Path, number: signal.Signals) -> None:
    with run_alone(top, image) as process:
        assert process.stdout is not None
        console = Path(process.stdout.readline().split("console: ")[1].strip())
        try:
            assert str(console) in run("ps", "-ewwo", "args")
            process.send_signal(number)
            output, _ = process.communicate(timeout=30)
            if number == signal.SIGINT:
                assert (process.returncode, output) == (0, "Stopping before the machine was up.\n")
                assert [path.name for path in console.parent.iterdir()] == ["console.log"]
            end = time.monotonic() + 10
            while str(console) in run("ps", "-ewwo", "args"):
                assert time.monotonic() < end, "QEMU outlives its parent"
                time.sleep(0.05)
        finally:
            process.kill()
            shutil.rmtree(console.parent)


def test_run_of_a_missing_image_is_refused_in_one_line(top: Path, tmp_path: Path) -> None:
    with run_alone(top, tmp_path / "none.qcow2") as process:
        _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert error == f"error: {tmp_path}/none.qcow2: no such image (`make image` builds one)\n"


def test_failed_wait_shows_the_console_once(image: Path, tmp_path: Path) -> None:
    with make(image, tmp_path) as machine:
        machine.start()
        machine.wait_for_console(GREETING, timeout=60)
        with pytest.raises(MachineTimeoutError, match="after the power button"):
            machine.shutdown(0.2)
        assert machine.pid is not None
        Timer(0.2, os.kill, (machine.pid, signal.SIGTERM)).start()
        with pytest.raises(MachineError, match=r"QEMU has exited by itself.*signal 15") as ended:
            machine.wait_for_http("/", timeout=60)
        assert str(ended.value).count(GREETING) == 1


def test_kernel_panic_ends_a_wait_and_is_tried_again_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(stages, "remarks", [])
    image = make_image(tmp_path, "---[ end Kernel panic - not syncing: int3 ]---")
    with make(image, tmp_path) as machine:
        with pytest.raises(KernelPanicError, match=r"(?s)kernel has panicked.*int3"):
            stages.bring_up(machine, machine.start)
        assert machine.running, "the third boot panicked, too"
    assert len(stages.remarks) == 2
    assert all("panic" in remark for remark in stages.remarks)


def test_taken_port_is_reported_unless_another_will_do(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with (
            make(image, tmp_path, http_port=taken) as machine,
            pytest.raises(MachineError, match=f"port {taken} of 127.0.0.1 is taken"),
        ):
            machine.start()
        assert list(tmp_path.glob("*/disk.qcow2")) == []
        rounds = iter([[taken, *free_ports(1)], free_ports(2)])
        monkeypatch.setattr("machine.machine.free_ports", lambda _count: next(rounds))
        with make(image, tmp_path) as machine:
            machine.start()
            assert taken not in (machine.ssh_port, machine.http_port)
