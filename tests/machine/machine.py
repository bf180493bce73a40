"""A virtual machine under QEMU."""

import atexit
import dataclasses
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from machine import qemu
from machine.cloud import Cloud, Instance
from machine.console import Console
from machine.disk import make_overlay
from machine.drive import Drive, Kind
from machine.error import KernelPanicError, MachineError, MachineTimeoutError, NotYetError
from machine.host import BOOT_SECONDS, Host
from machine.metadata import MetadataServer
from machine.monitor import Monitor
from machine.port import free_ports
from machine.resolver import Resolver
from machine.seed import cloud_config, seed
from machine.ssh import Login, make_key

WORKDIR = Path(__file__).parents[2] / "build/run"
PORT_ATTEMPTS = 5
SHUTDOWN_SECONDS = 120.0
# systemd-logind misses a press of the power button before it listens, so the press is repeated.
POWER_BUTTON_SECONDS = 15.0
EXIT_SECONDS = 30.0  # for QEMU after SIGKILL
POLL_SECONDS = 0.2
CONSOLE_SECONDS = 0.1  # between two looks at the console: a test may cut the power at once


class Machine(Host):
    """A virtual machine on a throw-away overlay of an image.

    It is a context manager: entering starts nothing; leaving ends the machine and removes its
    files except the console's log.

    Args:
        image: the disk image, which is only read.
        image_format: qemu-img's name of its format; None detects it from the first bytes.
        name: for error messages and the folder of the run.
        accelerator: None takes what works here, see `qemu.default_accelerator`.
        disk_gib: size of the machine's disk in GiB; None keeps the image's.
        ssh_user: the image's default user, to whom cloud-init gives the key; None derives it from
            the image's name, such as laurel-ubuntu-24.04-amd64.qcow2.
        user_data: replaces the default user-data; the meta-data have the key then.
        extra_user_data: more fields of the default user-data, such as write_files.
        hostname: local-hostname in the meta-data; None leaves the name to the image.
        workdir: folder that gets a folder for this run.
        http_port: port of 127.0.0.1 that leads to the machine's port 80; 0 for any free one.
        cloud: has the machine be an instance of this cloud, which then replaces the seed.
        network: whether the machine has a network card.
        disk_bus: None takes the cloud's, or virtio-blk.
        key: private key of `ssh_user` in an image that has that user already; the machine then
            gets neither a seed nor a new key.

    Attributes:
        public_key: the run's key, as a line of authorized_keys; set by the first `start`.
    """

    def __init__(
        self,
        image: Path,
        *,
        name: str,
        image_format: str | None = None,
        cpus: int = 3,
        memory_mib: int = 2048,
        firmware: qemu.Firmware = "bios",
        accelerator: qemu.Accelerator | None = None,
        disk_gib: int | None = None,
        ssh_user: str | None = None,
        user_data: str | None = None,
        extra_user_data: Mapping[str, Any] | None = None,
        hostname: str | None = None,
        workdir: Path = WORKDIR,
        http_port: int = 0,
        cloud: Cloud | None = None,
        network: bool = True,
        disk_bus: qemu.DiskBus | None = None,
        card: qemu.Card = "virtio-net",
        key: Path | None = None,
    ) -> None:
        super().__init__(name)
        self.image = image
        self.public_key = ""
        self._image_format = image_format
        self._key = key
        self._disk_gib = disk_gib
        self._ssh_user = ssh_user or default_user(image)
        self._user_data = user_data
        self._extra_user_data = extra_user_data
        self._hostname = hostname
        self._workdir = workdir
        self._wanted_forwards = {22: 0, 80: http_port} if network else {}
        self._hardware = qemu.Hardware(
            accelerator=accelerator or qemu.default_accelerator(),
            cpus=cpus,
            memory_mib=memory_mib,
            firmware=firmware,
            # Never QEMU's default, which the baking machine may have had: an image that works with
            # that address only must fail.
            mac=_new_mac() if network else None,
            disk_bus=disk_bus or (cloud.disk_bus if cloud else "virtio-blk"),
            card=card,
        )
        self._cloud = cloud
        self._metadata: MetadataServer | None = None
        self._resolver: Resolver | None = None
        self._drive: Drive | None = None
        self._folder: Path | None = None
        self._forwards: dict[int, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None
        self._console_start = 0  # size of the console's log when this boot began

    # State

    @property
    def folder(self) -> Path:
        """The folder of this run.

        Raises:
            MachineError: the machine has never been started.
        """
        if self._folder is None:
            raise MachineError(f"{self.name}: has not been started")
        return self._folder

    @property
    def _disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def _drive_file(self) -> Path:
        return self.folder / "drive.img"

    @property
    def _uefi_variables(self) -> Path:
        return self.folder / "uefi-variables.fd"

    @property
    def console(self) -> Console:
        """The serial console's log, which is kept after the end of the machine."""
        return Console(self.folder / "console.log")

    @property
    def pid(self) -> int | None:
        """QEMU's process id, or None if QEMU does not run."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether QEMU runs; the guest may still hang."""
        return self._process is not None and self._process.poll() is None

    @property
    def accelerator(self) -> qemu.Accelerator:
        """kvm, or tcg, which is many times slower."""
        return self._hardware.accelerator

    def _port(self, guest: int) -> int:
        if guest not in self._forwards:
            raise MachineError(f"{self.name}: no forward to port {guest}")
        return self._forwards[guest]

    @property
    def ssh_port(self) -> int:
        """The port of 127.0.0.1 that leads to the guest's SSH.

        Raises:
            MachineError: the machine has no network, or has never been started.
        """
        return self._port(22)

    @property
    def http_port(self) -> int:
        """The port of 127.0.0.1 that leads to the guest's port 80; raises as `ssh_port` does."""
        return self._port(80)

    @property
    def url(self) -> str:
        """URL of the site from here, without a slash at the end."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def login(self) -> Login:
        """Address, user and key of the SSH login."""
        return Login(
            address="127.0.0.1",
            port=self.ssh_port,
            user=self._ssh_user,
            key=self.folder / "key",
            known_hosts=False,
        )

    @property
    def metadata(self) -> MetadataServer:
        """The cloud's metadata server, which keeps its log.

        Raises:
            MachineError: the machine is in no cloud, or has never been started.
        """
        if self._metadata is None:
            raise MachineError(f"{self.name}: no cloud serves its metadata")
        return self._metadata

    def _evidence(self) -> str:
        tail = self.console.tail() or "(nothing)"
        return f"\n--- last lines of {self.console.path}\n{tail}\n---"

    def _check(self) -> None:
        self._check_process()
        self._check_kernel()

    def _check_process(self) -> None:
        if self._process is None:
            raise MachineError(f"{self.name}: is not running")
        if self._process.poll() is not None:
            raise MachineError(
                f"{self.name}: QEMU has exited by itself ({self._process.returncode}): "
                f"{self._stderr() or 'no message'}{self._evidence()}"
            )

    def _check_kernel(self) -> None:
        if self.console.panicked(self._console_start):
            raise KernelPanicError(
                f"{self.name}: the guest's kernel has panicked{self._evidence()}"
            )

    def _check_stopped(self, what: str) -> None:
        if self.running:
            raise MachineError(f"{self.name}: is running; shut it down before it gets {what}")

    def _stderr(self) -> str:
        path = self.folder / "qemu.err"
        return path.read_text(errors="replace").strip() if path.exists() else ""

    # First start

    def _prepare(self) -> None:
        self._workdir.mkdir(parents=True, exist_ok=True)
        self._folder = Path(mkdtemp(prefix=f"{self.name}-", dir=self._workdir)).resolve()
        atexit.register(self.close)
        try:
            make_overlay(
                self.image, self._disk, size_gib=self._disk_gib, image_format=self._image_format
            )
            if self._key is not None:
                # ssh refuses a key that others may read.
                (self.folder / "key").touch(mode=0o600)
                shutil.copyfile(self._key, self.folder / "key")
                return
            self.public_key = make_key(self.folder / "key")
            if self._cloud is None:
                self._write_seed()
            else:
                self._enter_cloud(self._cloud)
        except BaseException:
            self.close()
            raise

    def _write_seed(self) -> None:
        meta_data: dict[str, Any] = {"instance-id": f"i-0{secrets.token_hex(8)}"}
        if self._hostname is not None:
            meta_data["local-hostname"] = self._hostname
        user_data = self._user_data
        if user_data is None:
            user_data = cloud_config(self.public_key, self._extra_user_data)
        else:
            meta_data["public-keys"] = [self.public_key]
        self._attach(seed(user_data=user_data, meta_data=meta_data))

    def _enter_cloud(self, cloud: Cloud) -> None:
        """Start the cloud's servers, and attach its drive."""
        if self._hardware.mac is None:
            raise MachineError(f"{self.name}: a cloud's metadata need a network")
        user_data = self._user_data
        if self._extra_user_data is not None:
            user_data = cloud_config(None, self._extra_user_data)
        instance = Instance(
            identity=cloud.new_identity(),
            address=qemu.CLOUD_ADDRESS,
            mac=self._hardware.mac,
            public_key=self.public_key,
            hostname=self._hostname,
            user_data=user_data,
            user=self._ssh_user,
        )
        self._metadata = MetadataServer(cloud.service(instance))
        if cloud.names:
            self._resolver = Resolver(cloud.names, self.folder)
        self._attach(cloud.drive(instance))
        self._hardware = dataclasses.replace(self._hardware, smbios=cloud.smbios(instance))

    def _attach(self, drive: Drive | None) -> None:
        """Attach `drive` from the next start on."""
        self._drive = drive
        if drive is not None:
            drive.write(self._drive_file)

    # Power

    def start(self) -> None:
        """Power on, the first time or again after `crash` or `shutdown`, on the same disk.

        Returns once QEMU runs, long before the guest has booted.

        Raises:
            MachineError: the machine already runs, the image is missing, a port is taken, or QEMU
                does not start.
        """
        if self.running:
            raise MachineError(f"{self.name}: is already running")
        self._power_off()
        if self._folder is None:
            self._prepare()
        elif not self._disk.exists():
            raise MachineError(f"{self.name}: has been closed, and its disk removed")
        if self._hardware.firmware == "uefi" and not self._uefi_variables.exists():
            shutil.copyfile(qemu.ovmf("VARS"), self._uefi_variables)
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                self._power_on_with(self._choose_ports(again=attempt > 1))
                break
            except _PortTakenError:
                if attempt == PORT_ATTEMPTS:
                    raise
        self._new_boot()

    def _choose_ports(self, *, again: bool) -> dict[int, int]:
        """Return a port for each forward: the requested one, the last boot's, or a free one."""
        free = free_ports(len(self._wanted_forwards))
        last = {} if again else self._forwards
        return {
            guest: wanted or last.get(guest) or free.pop()
            for guest, wanted in self._wanted_forwards.items()
        }

    def _power_on_with(self, forwards: dict[int, int]) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = qemu.command_line(self._hardware, self._wiring(forwards, theirs.fileno()))
            if self._resolver is not None:
                command = self._resolver.around(command)
            self._console_start = self.console.size()
            errors = self.folder / "qemu.err"
            self._process = qemu.spawn(command, monitor=theirs, errors=errors)
            theirs.close()  # so that the monitor notices QEMU's end
            try:
                self._monitor = Monitor(ours.dup())
            except MachineError as error:
                self._power_off()
                raise self._startup_error(str(error)) from error
        self._forwards = forwards

    def _wiring(self, forwards: dict[int, int], monitor: int) -> qemu.Wiring:
        uefi = self._hardware.firmware == "uefi"
        return qemu.Wiring(
            disk=self._disk,
            seed=self._drive_of("disk"),
            cd=self._drive_of("cd"),
            console=self.console.path,
            uefi_variables=self._uefi_variables if uefi else None,
            forwards=forwards,
            monitor=monitor,
            metadata_port=self.metadata.port if self._cloud else None,
            metadata_addresses=self._cloud.addresses if self._cloud else (),
        )

    def _drive_of(self, kind: Kind) -> Path | None:
        return self._drive_file if self._drive and self._drive.kind == kind else None

    def _startup_error(self, reason: str) -> MachineError:
        message = self._stderr() or reason
        if "host forwarding rule" not in message:
            return MachineError(f"{self.name}: QEMU does not start: {message}")
        for port in self._wanted_forwards.values():
            if port and f":{port}-" in message:
                return MachineError(f"{self.name}: port {port} of 127.0.0.1 is taken")
        return _PortTakenError(f"{self.name}: {message}")

    def _power_off(self) -> None:
        """Kill QEMU if it runs."""
        self._hang_up()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(EXIT_SECONDS)
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.close()

    def crash(self) -> None:
        """Cut the power: QEMU gets SIGKILL, and what the guest has not written out is lost.

        This does not model a disk that acknowledges a flush too early: what QEMU has written stays
        in this host's page cache.

        Raises:
            MachineError: the machine does not run.
        """
        self._check_process()
        self._power_off()

    def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> None:
        """Press the power button, and wait until the guest has powered off.

        Raises:
            MachineTimeoutError: the guest still runs after `timeout` seconds.
            MachineError: the machine does not run, or QEMU failed.
        """
        self._check_process()
        process = self._process
        assert process is not None
        start = pressed = time.monotonic()
        self._execute("system_powerdown")
        while process.poll() is None:
            self._check_kernel()
            now = time.monotonic()
            if now - start >= timeout:
                raise MachineTimeoutError(
                    f"{self.name}: still runs {now - start:.0f} s after the power button"
                    + self._evidence()
                )
            if now - pressed >= POWER_BUTTON_SECONDS:
                pressed = now
                with suppress(MachineError):  # QEMU may exit at this moment
                    self._execute("system_powerdown")
            time.sleep(POLL_SECONDS)
        if process.returncode != 0:
            self._check_process()
        self.timings[f"boot {self._boots} shutdown"] = round(time.monotonic() - start, 1)
        self._power_off()

    def wait_for_console(self, pattern: str, timeout: float = BOOT_SECONDS) -> None:
        """Wait until the console's log of this boot matches a regular expression.

        Raises:
            MachineTimeoutError: not within `timeout` seconds.
            MachineError: the machine does not run, or its kernel has panicked.
        """

        def probe(_remaining: float) -> None:
            if not self.console.shows(pattern, self._console_start):
                raise NotYetError("it is not on the console")

        self._wait(f"{pattern!r} on the console", probe, timeout, CONSOLE_SECONDS)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the machine, and remove its files except the console's log.

        A second call has no effect.
        """
        self._power_off()
        if self._metadata is not None:
            self._metadata.close()
        if self._resolver is not None:
            self._resolver.close()
        atexit.unregister(self.close)
        if self._folder is None or not self._folder.exists():
            return
        for path in self._folder.iterdir():
            if path != self.console.path:
                path.unlink()
        if not self.console.path.exists():
            self._folder.rmdir()

    # Changes between two boots, and snapshots

    def refit(self, *, cpus: int, firmware: qemu.Firmware) -> None:
        """Put the disk into other hardware, as a cloud does on a resize; the card stays.

        Raises:
            MachineError: the machine runs.
        """
        self._check_stopped("other hardware")
        self._hardware = dataclasses.replace(self._hardware, cpus=cpus, firmware=firmware)

    def reseed(
        self,
        *,
        hostname: str | None = None,
        extra_user_data: Mapping[str, Any] | None = None,
    ) -> None:
        """Give the disk another instance-id and another card, but the same key.

        A cloud does so when it starts a machine from the image of an instance.

        Args:
            hostname: as for a new machine.
            extra_user_data: as for a new machine.

        Raises:
            MachineError: the machine runs, has never been started, or is in a cloud.
        """
        self._check_stopped("another seed")
        if self._cloud is not None:
            raise MachineError(f"{self.name}: is in a cloud and has no seed")
        self._hostname = hostname
        self._user_data = None
        self._extra_user_data = extra_user_data
        self._write_seed()
        if self._hardware.mac is not None:
            self._hardware = dataclasses.replace(self._hardware, mac=_new_mac())

    def save(self, name: str) -> None:
        """Save memory, devices and disk under `name` in the overlay.

        Raises:
            MachineError: the machine does not run, or QEMU cannot save it.
        """
        self._human(f"savevm {name}")

    def restore(self, name: str) -> None:
        """Restore what `save` saved: the same boot goes on, with its clock behind.

        Raises:
            MachineError: the machine does not run, or `name` was never saved.
        """
        self._hang_up()
        self._human(f"loadvm {name}")

    def _human(self, command: str) -> None:
        """Run a command of QEMU's human monitor, which prints nothing on success."""
        self._check()
        message = self._execute("human-monitor-command", **{"command-line": command})
        if message:
            raise MachineError(f"{self.name}: {command}: {str(message).strip()}")

    def _execute(self, command: str, **arguments: object) -> object:
        if self._monitor is None:
            raise MachineError(f"{self.name}: is not running")
        return self._monitor.execute(command, **arguments)


def default_user(image: Path) -> str:
    """Return the default user of the system that the image's name contains."""
    return "ubuntu" if "ubuntu" in image.name else "debian"


def _new_mac() -> str:
    """Return a random Ethernet address in QEMU's range."""
    return ":".join(["52:54:00", *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


class _PortTakenError(MachineError):
    """Another process took a port between its choice and its use by QEMU."""
