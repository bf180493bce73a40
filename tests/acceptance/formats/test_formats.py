"""Each exported format of the image boots on the firmware and devices of its cloud."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sources
from acceptance.first_boot.instances import start_side_by_side
from acceptance.settings import settings_of
from export import chosen, key
from finished import Finished
from machine import Machine
from machine.disk import GIB
from machine.machine import WORKDIR, default_user
from machine.qemu import Card, DiskBus, Firmware
from machine.vagrant import insecure_key

EXPORTS = Finished(Path(__file__).resolve().parents[3] / "build/export")
DISK_GIB = 8  # larger than the image, to see the root grow
# The kernel's driver of each device.
DRIVERS = {
    "virtio-blk": "virtio_blk",
    "virtio-scsi": "virtio_scsi",
    "nvme": "nvme",
    "pvscsi": "vmw_pvscsi",
    "ide": "ata_piix",
    "virtio-net": "virtio_net",
    "vmxnet3": "vmxnet3",
}
# Prints the drivers of a device and of its buses; $device is its folder in /sys.
DRIVERS_OF = """
device=$(readlink -f $device)
while [ $device != /sys/devices ]; do
    test ! -e $device/driver || basename $(readlink $device/driver)
    device=$(dirname $device)
done
"""
ROOT_DEVICE = "device=/sys/class/block/$(lsblk -no PKNAME $(findmnt -no SOURCE /))/device"
CARD_DEVICE = "device=$(ls -d /sys/class/net/e*/device)"


@dataclass(frozen=True)
class Hardware:
    """What a format boots on: its cloud's hardware, as far as QEMU emulates that."""

    disk_bus: DiskBus
    card: Card = "virtio-net"
    firmwares: tuple[Firmware, ...] = ("bios", "uefi")
    uefi_disk_bus: DiskBus | None = None  # if it differs

    def bus(self, firmware: Firmware) -> DiskBus:
        return self.uefi_disk_bus if self.uefi_disk_bus and firmware == "uefi" else self.disk_bus


HARDWARE = {
    "raw": Hardware("nvme"),  # EC2's Nitro instances; QEMU has no ENA card
    "vmdk": Hardware("nvme"),
    "vhd": Hardware("virtio-blk"),  # QEMU has no Hyper-V devices
    "gce": Hardware("virtio-scsi"),
    # VMware's firmware boots from pvscsi; Debian's OVMF does not. VMware has NVMe as well.
    "ova": Hardware("pvscsi", "vmxnet3", uefi_disk_bus="nvme"),
    "libvirt box": Hardware("virtio-blk", firmwares=("bios",)),  # Vagrant's default
    "virtualbox box": Hardware("ide", firmwares=("bios",)),
}


def pytest_generate_tests(metafunc):
    """Run each test for each chosen format (FORMATS) under each firmware."""
    cases = [
        (kind, firmware)
        for kind in chosen(os.environ.get("FORMATS", "").split())
        for firmware in HARDWARE[kind.title].firmwares
    ]
    if not cases:
        raise pytest.UsageError("FORMATS names no exported format")
    ids = [f"{kind.title.replace(' ', '-')}-{firmware}" for kind, firmware in cases]
    metafunc.parametrize(
        ("machines", "firmware"), cases, indirect=["machines"], ids=ids, scope="module"
    )


@pytest.fixture
def hardware(request):
    return HARDWARE[request.node.callspec.params["machines"].title]


@pytest.fixture(scope="module")
def machines(image, request):
    """One format's machines by firmware, started side by side."""
    kind = request.param
    hardware = HARDWARE[kind.title]
    file = kind.file(EXPORTS.folder, image)
    assert EXPORTS.is_current(file.name, key(sources.file_digest(image))), (
        f"{file} is missing, or not made from {image}: run `make export` first"
    )
    user = ("vagrant", insecure_key()) if kind.name == "box" else (default_user(image), None)
    WORKDIR.mkdir(parents=True, exist_ok=True)
    # Not in /tmp, which is in memory on many hosts.
    with TemporaryDirectory(dir=WORKDIR) as folder, ExitStack() as running:
        disk = kind.unpack(file, Path(folder))
        started = {
            firmware: running.enter_context(
                Machine(
                    disk.path,
                    image_format=disk.format,
                    name=f"{kind.title.replace(' ', '-')}-{firmware}",
                    cpus=1,
                    disk_gib=DISK_GIB,
                    firmware=firmware,
                    disk_bus=hardware.bus(firmware),
                    card=hardware.card,
                    ssh_user=user[0],
                    key=user[1],
                )
            )
            for firmware in hardware.firmwares
        }
        start_side_by_side(*started.values())
        yield started


@pytest.fixture
def machine(machines, firmware):
    return machines[firmware]


def test_machine_has_the_named_firmware(machine, firmware):
    assert (machine.execute("test -d /sys/firmware/efi").status == 0) == (firmware == "uefi")


def test_root_is_on_the_disk_of_its_cloud(machine, firmware, hardware):
    drivers = machine.succeed(f"{ROOT_DEVICE}\n{DRIVERS_OF}").split()
    assert DRIVERS[hardware.bus(firmware)] in drivers


def test_network_is_on_the_card_of_its_cloud(machine, hardware):
    drivers = machine.succeed(f"{CARD_DEVICE}\n{DRIVERS_OF}").split()
    assert DRIVERS[hardware.card] in drivers


def test_root_fills_the_disk(machine):
    root = int(machine.succeed("findmnt -nbo SIZE /"))
    assert root > 0.9 * DISK_GIB * GIB, f"{root >> 20} MiB of {DISK_GIB} GiB"


def test_site_serves_a_page(machine):
    machine.wait_for_http(settings_of(machine)["HEALTH_PATH"], status=range(400))


def test_status_reports_no_problem(machine):
    machine.succeed("laurel status")


def test_no_unit_has_failed(machine):
    assert machine.succeed("systemctl list-units --state=failed --plain --no-legend") == ""
