"""QEMU: its command line, and starting it so that it cannot outlive us."""

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

NETWORK_DEVICE = "nic0"
# The devices that put the drive "disk" on a bus.
DISKS: Mapping[DiskBus, Sequence[str]] = {
    "virtio-blk": ["virtio-blk-pci,drive=disk,bootindex=0"],
    "virtio-scsi": ["virtio-scsi-pci,id=scsi0", "scsi-hd,bus=scsi0.0,drive=disk,bootindex=0"],
    "nvme": ["nvme,serial=disk,drive=disk,bootindex=0"],
    "pvscsi": ["pvscsi,id=scsi0", "scsi-hd,bus=scsi0.0,drive=disk,bootindex=0"],
    "ide": ["ide-hd,drive=disk,bootindex=0"],  # on the board "q35" that is SATA
}
CARDS: Mapping[Card, str] = {"virtio-net": "virtio-net-pci", "vmxnet3": "vmxnet3"}

# A cloud's network. QEMU serves metadata only at an address of the guest's own network, so that is
# one which has those of EC2's default VPC, 172.31.0.0/16, the link-local ones, and Azure's.
CLOUD_ADDRESS = "172.31.0.15"  # of the machine, which is alone there
CLOUD_GATEWAY = "172.31.0.1"
CLOUD_RESOLVER = "172.31.0.2"
CLOUD_NETMASK = "240.0.0.0"  # the /4 below
CLOUD_NETWORK = (
    f"net=160.0.0.0/4,host={CLOUD_GATEWAY},dns={CLOUD_RESOLVER},dhcpstart={CLOUD_ADDRESS}"
)
CARRIER = "socat"  # carries a connection of the guest to the metadata server


def default_accelerator() -> Accelerator:
    """Return what LAUREL_ACCEL names, else what packer/accelerator.sh finds to work here.

    Raises:
        MachineError: neither says kvm or tcg.
    """
    source = "LAUREL_ACCEL"
    found = os.environ.get(source)
    if not found:
        source = str(ACCELERATOR_SCRIPT)
        if not ACCELERATOR_SCRIPT.exists():
            raise MachineError(f"{source} is missing: set LAUREL_ACCEL to kvm or tcg")
        found = run(ACCELERATOR_SCRIPT).strip()
    if found not in get_args(Accelerator):
        raise MachineError(f"{source}: {found!r} is not an accelerator, kvm and tcg are")
    return cast(Accelerator, found)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a machine is made of.

    Attributes:
        accelerator: kvm, or tcg where the processor cannot virtualise.
        cpus: number of virtual CPUs.
        memory_mib: memory in MiB.
        firmware: bios on the old "pc" board, uefi on "q35", as clouds pair them.
        mac: Ethernet address of the network card; None for a machine that has none.
        smbios: the tables that its firmware shows, each a value of QEMU's -smbios.
        disk_bus: where its disk is.
        card: what its network card is.
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
class Metadata:
    """A cloud's metadata server.

    Attributes:
        addresses: where the guest finds it, on port 80.
        port: the one of 127.0.0.1 where it listens.
    """

    addresses: Sequence[str]
    port: int


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What a machine is connected to on this host.

    Attributes:
        disk: qcow2 file that the machine writes.
        seed: file system image with user-data, attached read-only; None for no such disk.
        cd: image of a CD that is in the machine's drive; None for no such drive.
        metadata: the cloud's metadata server; None for a machine that is in no cloud.
        console: log to which the serial port is appended.
        uefi_variables: a copy of OVMF's variables that this machine may write; None under BIOS.
        forwards: TCP ports, the guest's to the one of 127.0.0.1 that leads to it.
        restrict: cut the guest off from everything but the forwarded ports.
        monitor: our caller's file descriptor on which QEMU speaks QMP.
    """

    disk: Path
    seed: Path | None
    console: Path
    uefi_variables: Path | None
    forwards: Mapping[int, int]
    restrict: bool
    monitor: int
    metadata: Metadata | None = None
    cd: Path | None = None


def uefi_code() -> Path:
    """Return OVMF's code.

    Raises:
        MachineError: it is not installed.
    """
    return _ovmf("OVMF_CODE_4M.fd")


def uefi_variables() -> Path:
    """Return OVMF's variables as delivered, to be copied for each machine.

    Raises:
        MachineError: they are not installed.
    """
    return _ovmf("OVMF_VARS_4M.fd")


def _ovmf(name: str) -> Path:
    path = OVMF / name
    if not path.is_file():
        raise MachineError(f"{path} is missing, UEFI needs it: install the package ovmf")
    return path


def _value(path: Path) -> str:
    """Return a path as a value of a QEMU option, where a comma would start the next field."""
    return str(path.resolve()).replace(",", ",,")


def command_line(hardware: Hardware, wiring: Wiring) -> list[str]:
    """Return the command that runs a machine.

    Raises:
        MachineError: UEFI is asked for, and OVMF is not installed.
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
            "-device",
            f"{CARDS[hardware.card]},id={NETWORK_DEVICE},netdev=net0,mac={hardware.mac}",
        ]  # fmt: skip
    for table in hardware.smbios:
        command += ["-smbios", table]
    if hardware.firmware == "uefi":
        if wiring.uefi_variables is None:
            raise MachineError("UEFI needs a file for its variables")
        command += [
            "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_value(uefi_code())}",
            "-drive", f"if=pflash,unit=1,format=raw,file={_value(wiring.uefi_variables)}",
        ]  # fmt: skip
    return command


def _network(wiring: Wiring) -> str:
    """Return the network that QEMU is to play for the guest."""
    network = "user,id=net0" + (",restrict=on" if wiring.restrict else "")
    if wiring.metadata is not None:
        network += "," + CLOUD_NETWORK
        for address in wiring.metadata.addresses:
            # One process a connection; QEMU's own way to a port carries a single one.
            network += (
                f",guestfwd=tcp:{address}:80"
                f"-cmd:{CARRIER} STDIO TCP4:127.0.0.1:{wiring.metadata.port}"
            )
    for guest, host in wiring.forwards.items():
        network += f",hostfwd=tcp:127.0.0.1:{host}-:{guest}"
    return network


def spawn(command: list[str], *, monitor: socket.socket, errors: Path) -> subprocess.Popen[bytes]:
    """Start QEMU so that it dies with this process, even by SIGKILL.

    The kernel sends the death signal when the *thread* that forked ends, so a thread that lasts as
    long as the process does the fork. The shell covers a death of ours before the signal was set.
    QEMU gets a process group of its own: a Ctrl-C is for us, who then stop it in order.

    Args:
        command: what `command_line` returned.
        monitor: QEMU's end of the monitor's socket.
        errors: file for what QEMU says on stderr.

    Raises:
        MachineError: QEMU, setpriv, or what carries metadata is not installed.
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
