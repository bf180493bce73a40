"""Each exported form of the image boots, under the firmware and on the devices of its cloud."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sources
from acceptance.first_boot.instances import start_side_by_side
from acceptance.settings import settings_of
from export import chosen
from finished import Finished
from machine import Machine
from machine.disk import GIB
from machine.machine import WORKDIR, default_user
from machine.qemu import Card, DiskBus, Firmware
from machine.vagrant import insecure_key

EXPORTS = Finished(Path(__file__).resolve().parents[3] / "build/export")
DISK_GIB = 8  # larger than the image, so that growing shows
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
# The drivers of a device and of all that it hangs on, $device being its folder in /sys.
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
    """What a form boots on, which is its cloud's as far as QEMU has that."""

    disk_bus: DiskBus
    card: Card = "virtio-net"
    firmwares: tuple[Firmware, ...] = ("bios", "uefi")
    uefi_disk_bus: DiskBus | None = None  # where it is another

    def bus(self, firmware: Firmware) -> DiskBus:
        """Where the disk is under that firmware."""
        return self.uefi_disk_bus if self.uefi_disk_bus and firmware == "uefi" else self.disk_bus


HARDWARE = {
    "raw": Hardware("nvme"),  # EC2's instances on Nitro; their card is EC2's alone
    "vmdk": Hardware("nvme"),
    "vhd": Hardware("virtio-blk"),  # QEMU has nothing of Hyper-V's
    "gce": Hardware("virtio-scsi"),
    # VMware's firmware boots from pvscsi, and Debian's OVMF does not; VMware has NVMe as well.
    "ova": Hardware("pvscsi", "vmxnet3", uefi_disk_bus="nvme"),
    "box of libvirt": Hardware("virtio-blk", firmwares=("bios",)),  # Vagrant's own choice
    "box of virtualbox": Hardware("ide", firmwares=("bios",)),
}


def pytest_generate_tests(metafunc):
    """Have each check of each form under each firmware; FORMATS leaves out others."""
    forms = [
        (kind, firmware)
        for kind in chosen(os.environ.get("FORMATS", "").split())
        for firmware in HARDWARE[kind.title].firmwares
    ]
    if not forms:
        raise pytest.UsageError("FORMATS names nothing that is exported")
    names = [f"{kind.title.replace(' ', '-')}-{firmware}" for kind, firmware in forms]
    metafunc.parametrize(
        ("machines", "firmware"), forms, indirect=["machines"], ids=names, scope="module"
    )


@pytest.fixture(scope="module")
def machines(image, request):
    """One form's machines by their firmware, side by side, serving."""
    kind = request.param
    hardware = HARDWARE[kind.title]
    file = kind.file(EXPORTS.folder, image)
    assert EXPORTS.is_current(file.name, kind.key(sources.file_digest(image))), (
        f"{file} is not there, or not made from {image}: run `make export` first"
    )
    user = default_user(image), None
    if kind.name == "box":
        user = "vagrant", insecure_key()
    WORKDIR.mkdir(parents=True, exist_ok=True)
    # Not /tmp, which many a host has in its memory.
    with TemporaryDirectory(dir=WORKDIR) as folder, ExitStack() as running:
        disk = kind.disk_of(file, Path(folder))
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
    """The machine of that firmware."""
    return machines[firmware]


def test_it_has_the_firmware_that_is_named(machine, firmware):
    assert (machine.execute("test -d /sys/firmware/efi").status == 0) == (firmware == "uefi")


def test_its_root_is_on_the_disk_of_its_cloud(machine, firmware, request):
    hardware = HARDWARE[request.node.callspec.params["machines"].title]
    drivers = machine.succeed(f"{ROOT_DEVICE}\n{DRIVERS_OF}").split()
    assert DRIVERS[hardware.bus(firmware)] in drivers


def test_its_network_is_on_the_card_of_its_cloud(machine, request):
    hardware = HARDWARE[request.node.callspec.params["machines"].title]
    drivers = machine.succeed(f"{CARD_DEVICE}\n{DRIVERS_OF}").split()
    assert DRIVERS[hardware.card] in drivers


def test_its_root_fills_the_disk(machine):
    root = int(machine.succeed("findmnt -nbo SIZE /"))
    assert root > 0.9 * DISK_GIB * GIB, f"{root >> 20} MiB of {DISK_GIB} GiB"


def test_it_serves_a_page(machine):
    machine.wait_for_http(settings_of(machine)["HEALTH_PATH"], status=range(400))


def test_status_finds_nothing_wrong(machine):
    machine.succeed("laurel status")


def test_no_unit_has_failed(machine):
    assert machine.succeed("systemctl list-units --state=failed --plain --no-legend") == ""
