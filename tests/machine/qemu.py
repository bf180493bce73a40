"""QEMU: its command line, and a start that ties QEMU's life to this process."""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from machine.command import run
from machine.error import MachineError
from machine.monitor import call_in_lasting_thread

Accelerator = Literal["kvm", "tcg"]
Firmware = Literal["bios", "uefi"]
DiskBus = Literal["virtio-blk", "virtio-scsi", "nvme", "pvscsi", "ide"]
Card = Literal["virtio-net", "vmxnet3"]

PROGRAM = "qemu-system-x86_64"
OVMF = Path("/usr/share/OVMF")  # Debian's and Ubuntu's package ovmf
ACCELERATOR_SCRIPT = Path(__file__).parents[2] / "packer/accelerator.sh"

# The devices that put the drive "disk" on a bus.
DISKS: Mapping[DiskBus, Sequence[str]] = {
    "virtio-blk": ["virtio-blk-pci,drive=disk,bootindex=0"],
    "virtio-scsi": ["virtio-scsi-pci,id=scsi0", "scsi-hd,bus=scsi0.0,drive=disk,bootindex=0"],
    "nvme": ["nvme,serial=disk,drive=disk,bootindex=0"],
    "pvscsi": ["pvscsi,id=scsi0", "scsi-hd,bus=scsi0.0,drive=disk,bootindex=0"],
    "ide": ["ide-hd,drive=disk,bootindex=0"],  # SATA on the board "q35"
}
CARDS: Mapping[Card, str] = {"virtio-net": "virtio-net-pci", "vmxnet3": "vmxnet3"}

# A cloud's network. QEMU forwards only addresses of the guest's own network, so that network must
# contain EC2's default VPC, 172.31.0.0/16, the link-local addresses, and Azure's wire server.
CLOUD_ADDRESS = "172.31.0.15"  # of the machine
CLOUD_GATEWAY = "172.31.0.1"
CLOUD_RESOLVER = "172.31.0.2"
CLOUD_NETMASK = "240.0.0.0"  # the /4 below
CLOUD_NETWORK = (
    f"net=160.0.0.0/4,host={CLOUD_GATEWAY},dns={CLOUD_RESOLVER},dhcpstart={CLOUD_ADDRESS}"
)
CARRIER = "socat"  # connects the guest to the metadata server


def default_accelerator() -> Accelerator:
    """Return the value of LAUREL_ACCEL, or what packer/accelerator.sh prints.

    Raises:
        MachineError: neither gives kvm or tcg.
    """
    source = "LAUREL_ACCEL"
    found = os.environ.get(source)
    if not found:
        source = str(ACCELERATOR_SCRIPT)
        if not ACCELERATOR_SCRIPT.exists():
            raise MachineError(f"{source} is missing: set LAUREL_ACCEL to kvm or tcg")
        found = run(ACCELERATOR_SCRIPT).strip()
    if found not in get_args(Accelerator):
        raise MachineError(f"{source}: {found!r} is not an accelerator; use kvm or tcg")
    return cast(Accelerator, found)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A machine's hardware.

    Attributes:
        firmware: bios on the old board "pc", uefi on "q35", as clouds combine them.
        mac: Ethernet address of the network card; None for no card.
        smbios: tables of the firmware, each a value of QEMU's -smbios.
    """

    accelerator: Accelerator
    cpus: int
    memory_mib: int
    firmware: Firmware
    mac: str | None
    smbios: Sequence[str] = ()
    disk_bus: DiskBus = "virtio-blk"
    card: Card = "virtio-net"


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """A machine's connections to this host.

    Attributes:
        disk: qcow2 file that the machine writes.
        seed: disk image with user-data, attached read-only; None for no such disk.
        cd: image of a CD; None for no CD drive.
        console: log to which the serial port is appended.
        uefi_variables: a writable copy of OVMF's variables; None under BIOS.
        forwards: ports of 127.0.0.1 here, by the guest's TCP port.
        monitor: our file descriptor on which QEMU speaks QMP.
        metadata_port: port of 127.0.0.1 here of the cloud's metadata server; None for no cloud.
        metadata_addresses: its addresses in the guest.
    """

    disk: Path
    seed: Path | None
    cd: Path | None = None
    console: Path
    uefi_variables: Path | None
    forwards: Mapping[int, int]
    monitor: int
    metadata_port: int | None = None
    metadata_addresses: Sequence[str] = ()


def ovmf(part: Literal["CODE", "VARS"]) -> Path:
    """Return OVMF's code, or its variables, of which each machine needs a copy.

    Raises:
        MachineError: OVMF is not installed.
    """
    path = OVMF / f"OVMF_{part}_4M.fd"
    if not path.is_file():
        raise MachineError(f"{path} is missing, UEFI needs it: install the package ovmf")
    return path


def _value(path: Path) -> str:
    """Return a path as a value of a QEMU option, where a comma would start the next field."""
    return str(path.resolve()).replace(",", ",,")


def command_line(hardware: Hardware, wiring: Wiring) -> list[str]:
    """Return the command that runs a machine.

    Raises:
        MachineError: the firmware is UEFI, and OVMF is not installed.
    """
    accelerators = {"kvm": ["-accel", "kvm", "-cpu", "host"],
                    "tcg": ["-accel", "tcg,thread=multi", "-cpu", "max"]}  # fmt: skip
    command = [
        PROGRAM,
        "-no-user-config",
        "-nodefaults",
        "-machine", "q35" if hardware.firmware == "uefi" else "pc",
        *accelerators[hardware.accelerator],
        "-smp", str(hardware.cpus),
        "-m", f"{hardware.memory_mib}M",
        "-display", "none",
        "-vga", "std",
        "-chardev", f"socket,id=monitor,fd={wiring.monitor}",
        "-mon", "chardev=monitor,mode=control",
        "-chardev", f"file,id=console,path={_value(wiring.console)},append=on",
        "-serial", "chardev:console",
        "-drive", f"if=none,id=disk,file={_value(wiring.disk)},format=qcow2,cache=writeback",
        "-object", "rng-builtin,id=rng0",
        "-device", "virtio-rng-pci,rng=rng0",
    ]  # fmt: skip
    for device in DISKS[hardware.disk_bus]:
        command += ["-device", device]
    if wiring.cd is not None:
        command += [
            "-drive", f"if=none,id=cd,media=cdrom,file={_value(wiring.cd)},format=raw,readonly=on",
            "-device", "virtio-scsi-pci,id=scsi1",
            "-device", "scsi-cd,bus=scsi1.0,drive=cd",
        ]  # fmt: skip
    if wiring.seed is not None:
        command += [
            "-drive", f"if=none,id=seed,file={_value(wiring.seed)},format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=seed",
        ]  # fmt: skip
    if hardware.mac is not None:
        command += [
            "-netdev", _network(wiring),
            "-device", f"{CARDS[hardware.card]},netdev=net0,mac={hardware.mac}",
        ]  # fmt: skip
    for table in hardware.smbios:
        command += ["-smbios", table]
    if wiring.uefi_variables is not None:
        command += [
            "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_value(ovmf('CODE'))}",
            "-drive", f"if=pflash,unit=1,format=raw,file={_value(wiring.uefi_variables)}",
        ]  # fmt: skip
    return command


def _network(wiring: Wiring) -> str:
    """Return the value of -netdev."""
    network = "user,id=net0"
    if wiring.metadata_port is not None:
        network += "," + CLOUD_NETWORK
        # A process for each connection: QEMU's own forward to a port takes only one.
        carrier = f"{CARRIER} STDIO TCP4:127.0.0.1:{wiring.metadata_port}"
        for address in wiring.metadata_addresses:
            network += f",guestfwd=tcp:{address}:80-cmd:{carrier}"
    for guest, host in wiring.forwards.items():
        network += f",hostfwd=tcp:127.0.0.1:{host}-:{guest}"
    return network


def spawn(command: list[str], *, monitor: socket.socket, errors: Path) -> subprocess.Popen[bytes]:
    """Start QEMU so that it dies with this process, even by SIGKILL.

    The kernel sends the death signal when the *thread* that forked ends, so a thread that lives as
    long as the process forks. The shell covers the case that this process dies before the signal
    is set. QEMU gets a process group of its own, so that Ctrl-C reaches this process alone, which
    then shuts QEMU down.

    Args:
        command: what `command_line` returned.
        monitor: QEMU's end of the monitor's socket.
        errors: file for QEMU's stderr.

    Raises:
        MachineError: QEMU, setpriv, or socat (for metadata) is not installed.
    """
    needed = {PROGRAM: "qemu-system-x86", "setpriv": "util-linux"}
    if any(f"-cmd:{CARRIER} " in argument for argument in command):
        needed[CARRIER] = "socat"  # QEMU would start without it
    for program, package in needed.items():
        if shutil.which(program) is None:
            raise MachineError(f"{program} is not installed (package {package})")
    lifeline = [
        "setpriv", "--pdeathsig", "KILL",
        "sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid()),
    ]  # fmt: skip
    with errors.open("wb") as stderr:
        return call_in_lasting_thread(
            lambda: subprocess.Popen(
                lifeline + command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=[monitor.fileno()],
                start_new_session=True,
            )
        )
