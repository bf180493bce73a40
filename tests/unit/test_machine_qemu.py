"""QEMU's command line, and the choice of its accelerator."""

from dataclasses import replace
from pathlib import Path

import pytest
from machine import MachineError, qemu

HARDWARE = qemu.Hardware(
    accelerator="tcg", cpus=3, memory_mib=2048, firmware="bios", mac="52:54:00:00:00:01"
)


@pytest.fixture
def wiring(tmp_path: Path) -> qemu.Wiring:
    return qemu.Wiring(
        disk=tmp_path / "disk.qcow2",
        seed=tmp_path / "seed.img",
        console=tmp_path / "console.log",
        uefi_variables=None,
        forwards={22: 2222, 80: 8080},
        monitor=5,
    )


def test_forwards_listen_on_loopback_only(wiring: qemu.Wiring) -> None:
    command = qemu.command_line(HARDWARE, wiring)
    assert command[command.index("-netdev") + 1].split(",")[2:] == [
        "hostfwd=tcp:127.0.0.1:2222-:22",
        "hostfwd=tcp:127.0.0.1:8080-:80",
    ]


def test_missing_ovmf_is_reported_with_its_package(
    wiring: qemu.Wiring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu, "OVMF", tmp_path)
    with pytest.raises(MachineError, match=r"OVMF_CODE_4M\.fd is missing.*package ovmf"):
        qemu.command_line(HARDWARE, replace(wiring, uefi_variables=tmp_path / "variables.fd"))


def test_accelerator_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_ACCEL", "kvm")
    assert qemu.default_accelerator() == "kvm"
    monkeypatch.setenv("LAUREL_ACCEL", "warp")
    with pytest.raises(MachineError, match="LAUREL_ACCEL: 'warp'"):
        qemu.default_accelerator()
