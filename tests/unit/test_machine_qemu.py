"""The command line of QEMU, and the choice of its accelerator."""

import socket
from dataclasses import replace
from itertools import pairwise
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
        restrict=False,
        monitor=5,
    )


def value(command: list[str], option: str, containing: str = "") -> str:
    """The argument of the one option that has `containing` in its argument."""
    found = [
        argument
        for name, argument in pairwise(command)
        if name == option and containing in argument
    ]
    assert len(found) == 1, (option, found)
    return found[0]


def test_bios_machine_is_a_pc_with_virtio_devices(wiring: qemu.Wiring) -> None:
    command = qemu.command_line(HARDWARE, wiring)
    assert value(command, "-machine") == "pc"
    assert value(command, "-smp") == "3"
    assert value(command, "-m") == "2048M"
    assert "cache=writeback" in value(command, "-drive", "id=disk")
    for device in ("virtio-net-pci", "virtio-rng-pci", "drive=disk", "drive=seed"):
        assert value(command, "-device", device).startswith("virtio-")


def test_a_reboot_does_not_end_qemu(wiring: qemu.Wiring) -> None:
    assert "-no-reboot" not in qemu.command_line(HARDWARE, wiring)


def test_kvm_takes_the_host_processor_and_tcg_all_there_is(wiring: qemu.Wiring) -> None:
    assert value(qemu.command_line(HARDWARE, wiring), "-cpu") == "max"
    kvm = replace(HARDWARE, accelerator="kvm")
    assert value(qemu.command_line(kvm, wiring), "-cpu") == "host"


def test_seed_and_firmware_are_read_only(wiring: qemu.Wiring, tmp_path: Path) -> None:
    uefi = replace(HARDWARE, firmware="uefi")
    command = qemu.command_line(uefi, replace(wiring, uefi_variables=tmp_path / "variables.fd"))
    assert value(command, "-machine") == "q35"
    assert "readonly=on" in value(command, "-drive", "id=seed")
    assert "readonly=on" in value(command, "-drive", "OVMF_CODE")
    assert "readonly" not in value(command, "-drive", "variables.fd")


def test_forwards_listen_on_loopback_only(wiring: qemu.Wiring) -> None:
    network = value(qemu.command_line(HARDWARE, wiring), "-netdev")
    assert network.split(",")[2:] == [
        "hostfwd=tcp:127.0.0.1:2222-:22",
        "hostfwd=tcp:127.0.0.1:8080-:80",
    ]


def test_restrict_cuts_the_guest_off(wiring: qemu.Wiring) -> None:
    assert "restrict" not in value(qemu.command_line(HARDWARE, wiring), "-netdev")
    restricted = replace(wiring, restrict=True)
    assert "restrict=on" in value(qemu.command_line(HARDWARE, restricted), "-netdev")


def test_a_machine_without_a_card_has_no_network_either(wiring: qemu.Wiring) -> None:
    command = qemu.command_line(replace(HARDWARE, mac=None), replace(wiring, forwards={}))
    assert "-netdev" not in command
    assert not any("net" in argument for argument in command)


def test_an_instance_of_a_cloud_asks_a_port_of_this_host_and_has_no_seed(
    wiring: qemu.Wiring,
) -> None:
    hardware = replace(HARDWARE, smbios=["type=1,manufacturer=Cloud 9", "type=3,asset=9"])
    metadata = qemu.Metadata(addresses=["169.254.169.254"], port=4711)
    command = qemu.command_line(hardware, replace(wiring, seed=None, metadata=metadata))
    assert not any("seed" in argument for argument in command)
    assert value(command, "-smbios", "type=1") == "type=1,manufacturer=Cloud 9"
    assert value(command, "-smbios", "type=3") == "type=3,asset=9"
    network = value(command, "-netdev")
    assert "guestfwd=tcp:169.254.169.254:80-cmd:socat STDIO TCP4:127.0.0.1:4711" in network
    assert "hostfwd=tcp:127.0.0.1:8080-:80" in network


def test_a_machine_of_no_cloud_shows_no_strings_of_one(wiring: qemu.Wiring) -> None:
    command = qemu.command_line(HARDWARE, wiring)
    assert "-smbios" not in command
    assert "guestfwd" not in value(command, "-netdev")


def test_what_carries_metadata_is_asked_for_before_qemu_starts(
    wiring: qemu.Wiring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = qemu.Metadata(addresses=["169.254.169.254"], port=4711)
    monkeypatch.setattr(qemu, "CARRIER", "no-such-carrier")
    command = qemu.command_line(HARDWARE, replace(wiring, metadata=metadata))
    one, other = socket.socketpair()
    with one, other, pytest.raises(MachineError, match="no-such-carrier is not installed"):
        qemu.spawn(command, monitor=other, errors=tmp_path / "qemu.err")


def test_a_comma_in_a_path_stays_in_the_path(wiring: qemu.Wiring, tmp_path: Path) -> None:
    command = qemu.command_line(HARDWARE, replace(wiring, disk=tmp_path / "a,b.qcow2"))
    assert "a,,b.qcow2,format" in value(command, "-drive", "id=disk")


def test_missing_ovmf_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu, "OVMF", tmp_path)
    with pytest.raises(MachineError, match=r"OVMF_VARS_4M\.fd is missing.*package ovmf"):
        qemu.uefi_variables()


def test_accelerator_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_ACCEL", "kvm")
    assert qemu.default_accelerator() == "kvm"
    monkeypatch.setenv("LAUREL_ACCEL", "warp")
    with pytest.raises(MachineError, match="LAUREL_ACCEL: 'warp'"):
        qemu.default_accelerator()


def test_accelerator_is_else_what_the_script_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAUREL_ACCEL", raising=False)
    script = tmp_path / "accelerator.sh"
    monkeypatch.setattr(qemu, "ACCELERATOR_SCRIPT", script)
    with pytest.raises(MachineError, match=r"accelerator\.sh is missing: set LAUREL_ACCEL"):
        qemu.default_accelerator()
    script.write_text("#!/bin/sh\necho tcg\n")
    script.chmod(0o755)
    assert qemu.default_accelerator() == "tcg"
