"""A virtual machine of ours."""

import atexit
import dataclasses
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from machine import qemu
from machine.cloud import Cloud, Instance
from machine.console import Console
from machine.disk import make_overlay
from machine.drive import Drive, Kind
from machine.error import KernelPanicError, MachineError, MachineTimeoutError
from machine.host import BOOT_SECONDS, Host
from machine.metadata import MetadataServer
from machine.monitor import Monitor
from machine.port import free_ports
from machine.resolver import Resolver
from machine.seed import cloud_config, seed
from machine.ssh import Login, make_key
from machine.wait import NotYetError

WORKDIR = Path(__file__).parents[2] / "build/run"
CONSOLE_LINES = 25
PORT_ATTEMPTS = 5
SHUTDOWN_SECONDS = 120.0
# A power button pressed before systemd-logind listens is not heard, so it is pressed again.
POWER_BUTTON_SECONDS = 15.0
EXIT_SECONDS = 30.0  # for a QEMU that has been told to end or has said that it does
POLL_SECONDS = 0.2
CONSOLE_SECONDS = 0.1  # between two looks at the console: what comes next may be the end


class Machine(Host):
    """A virtual machine on a throw-away overlay of an image; a context manager owns its life.

    Entering the context starts nothing, leaving it leaves no process, and of the files only the
    console's log.

    Args:
        image: the disk image; only ever read.
        image_format: qemu-img's name of its format; None takes what its first bytes show.
        name: what errors and the folder of the run are called.
        cpus: number of virtual CPUs.
        memory_mib: memory in MiB.
        firmware: bios or uefi.
        accelerator: kvm or tcg; None takes what works here, see `qemu.default_accelerator`.
        disk_gib: size of the disk that the machine sees, in GiB; None leaves the image's.
        ssh_user: the image's default user, whom cloud-init gives the key; None for the system that
            the image's name begins with, laurel-ubuntu-24.04-amd64.qcow2 or any other.
        user_data: what the seed holds instead of the default, a cloud-config with our key; the key
            is in the meta-data then, as clouds give theirs.
        extra_user_data: fields added to the default user-data (write_files, ...), which a machine
            in a cloud has none of.
        hostname: local-hostname in the meta-data; None leaves the name to the image.
        workdir: folder that gets a folder for this run.
        forwards: TCP ports, the guest's to one of 127.0.0.1, 0 for any free one; 22 is added.
        restrict: cut the guest off from everything but the forwarded ports.
        cloud: the cloud whose instance it is: it has no seed then, but what that cloud gives, and
            its key comes from there.
        network: whether it has a network card; without one nothing but its console is reached.
        disk_bus: how its disk is attached; None leaves it to its cloud, to virtio-blk in none.
        card: its network card; None leaves it to its cloud, to virtio-net in none.
        key: private key of `ssh_user`, whom the image makes by itself; the machine is told nothing
            then, it has neither a seed nor a key of the run.

    Attributes:
        public_key: the run's key, as a line of authorized_keys; only after the first `start`.
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
        forwards: Mapping[int, int] | None = None,
        restrict: bool = False,
        cloud: Cloud | None = None,
        network: bool = True,
        disk_bus: qemu.DiskBus | None = None,
        card: qemu.Card | None = None,
        key: Path | None = None,
    ) -> None:
        super().__init__(name)
        if cloud is not None and not network:
            raise MachineError(f"{name}: a cloud's metadata need a network")
        if user_data is not None and extra_user_data is not None:
            raise MachineError(f"{name}: extra_user_data adds to the default user_data only")
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
        self._wanted_forwards = (
            {22: 0, **({80: 0} if forwards is None else forwards)} if network else {}
        )
        self._restrict = restrict
        self._hardware = qemu.Hardware(
            accelerator=accelerator or qemu.default_accelerator(),
            cpus=cpus,
            memory_mib=memory_mib,
            firmware=firmware,
            # Not QEMU's default, which the machine that baked may have had: an image that knows
            # only the baker's address must fail here.
            mac=_new_card() if network else None,
            disk_bus=disk_bus or (cloud.disk_bus if cloud else "virtio-blk"),
            card=card or (cloud.card if cloud else "virtio-net"),
        )
        self._cloud = cloud
        self._metadata: MetadataServer | None = None
        self._resolver: Resolver | None = None
        self._drive: Drive | None = None
        self._folder: Path | None = None
        self._forwards: dict[int, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None
        self._console_start = 0  # where this boot's part of the console's log begins

    # Where it is

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
        """The serial console's log, which outlives the machine."""
        return Console(self.folder / "console.log")

    @property
    def pid(self) -> int | None:
        """QEMU's process id, or None if it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether QEMU runs; the guest may hang none the less."""
        return self._process is not None and self._process.poll() is None

    @property
    def accelerator(self) -> qemu.Accelerator:
        """What runs the guest's instructions: kvm, or tcg, which is many times slower."""
        return self._hardware.accelerator

    def port(self, guest: int) -> int:
        """Return the port of 127.0.0.1 that leads to a TCP port of the guest.

        Raises:
            MachineError: that port is not forwarded, or the machine was never started.
        """
        if guest not in self._forwards:
            raise MachineError(f"{self.name}: no forward to port {guest}")
        return self._forwards[guest]

    @property
    def ssh_port(self) -> int:
        """The port of 127.0.0.1 that leads to the guest's SSH."""
        return self.port(22)

    @property
    def http_port(self) -> int:
        """The port of 127.0.0.1 that leads to the guest's port 80."""
        return self.port(80)

    @property
    def url(self) -> str:
        """The site as this host reaches it, without a slash at its end."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def login(self) -> Login:
        """Where and as whom to log in."""
        return Login(
            address="127.0.0.1",
            port=self.ssh_port,
            user=self._ssh_user,
            key=self.folder / "key",
            known_hosts=False,
        )

    def console_tail(self, lines: int = CONSOLE_LINES) -> str:
        """Return the console's last lines."""
        return self.console.tail(lines)

    def _evidence(self) -> str:
        tail = self.console_tail() or "(nothing)"
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
                f"{self._stderr() or 'it said nothing'}{self._evidence()}"
            )

    def _check_kernel(self) -> None:
        if self.console.panicked(self._console_start):
            raise KernelPanicError(
                f"{self.name}: the guest's kernel has panicked{self._evidence()}"
            )

    def _stderr(self) -> str:
        path = self.folder / "qemu.err"
        return path.read_text(errors="replace").strip() if path.exists() else ""

    # Its life

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Power on, the first time or again after `crash` or `shutdown`, on the same disk.

        Returns once QEMU runs, long before the guest does.

        Raises:
            MachineError: it runs already, the image is missing, a port is taken, or QEMU will not.
        """
        if self.running:
            raise MachineError(f"{self.name}: is running already")
        self._power_off()
        if self._folder is None:
            self._prepare()
        elif not self._disk.exists():
            raise MachineError(f"{self.name}: its disk went when it was closed")
        if self._hardware.firmware == "uefi" and not self._uefi_variables.exists():
            shutil.copyfile(qemu.uefi_variables(), self._uefi_variables)
        for attempt in range(1, PORT_ATTEMPTS + 1):
            forwards = self._choose_ports(again=attempt > 1)
            try:
                self._power_on_with(forwards)
            except _PortTakenError:
                if attempt == PORT_ATTEMPTS:
                    raise
            else:
                break
        self._new_boot()

    def refit(self, *, cpus: int, firmware: qemu.Firmware) -> None:
        """Put the disk into another machine, as a cloud does that resizes one; it keeps its card.

        Raises:
            MachineError: it runs.
        """
        if self.running:
            raise MachineError(f"{self.name}: runs; shut it down before it gets other hardware")
        self._hardware = dataclasses.replace(self._hardware, cpus=cpus, firmware=firmware)

    def reseed(
        self,
        *,
        hostname: str | None = None,
        extra_user_data: Mapping[str, Any] | None = None,
    ) -> None:
        """Make another instance of the disk: another instance-id, and another card; the key stays.

        So does a cloud that starts a machine from the image of an instance.

        Args:
            hostname: as for a new machine.
            extra_user_data: as for a new machine.

        Raises:
            MachineError: it runs, has never been started, or is in a cloud and has no seed.
        """
        if self.running:
            raise MachineError(f"{self.name}: runs; shut it down before it gets another seed")
        if self._cloud is not None:
            raise MachineError(f"{self.name}: has no seed: its cloud tells it what it is")
        self._hostname = hostname
        self._user_data = None
        self._extra_user_data = extra_user_data
        self._write_seed()
        if self._hardware.mac is not None:
            self._hardware = dataclasses.replace(self._hardware, mac=_new_card())

    def _prepare(self) -> None:
        folder = self._workdir / f"{self.name}-{os.getpid()}"
        count = 1
        while True:
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:  # this process has had a machine of that name
                count += 1
                folder = self._workdir / f"{self.name}-{os.getpid()}-{count}"
        self._folder = folder.resolve()
        atexit.register(self.close)
        try:
            make_overlay(
                self.image, self._disk, size_gib=self._disk_gib, image_format=self._image_format
            )
            self._introduce()
        except BaseException:
            self.close()
            raise

    def _introduce(self) -> None:
        """Tell the machine who may log in: on its seed, or as its cloud does."""
        if self._key is not None:
            # ssh takes no key that others may read.
            (self.folder / "key").touch(mode=0o600)
            shutil.copyfile(self._key, self.folder / "key")
            return
        self.public_key = make_key(self.folder / "key")
        if self._cloud is None:
            self._write_seed()
        else:
            self._enter_cloud(self._cloud)

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

    def _attach(self, drive: Drive | None) -> None:
        """Have that drive beside the disk from the next start on."""
        self._drive = drive
        if drive is not None:
            drive.write(self._drive_file)

    def _enter_cloud(self, cloud: Cloud) -> None:
        """Have the cloud tell this machine what it is, on each way that the cloud has."""
        assert self._hardware.mac is not None
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

    @property
    def metadata(self) -> MetadataServer:
        """The cloud's metadata server, which outlives each boot; its log outlives the machine.

        Raises:
            MachineError: the machine is in no cloud, or was never started.
        """
        if self._metadata is None:
            raise MachineError(f"{self.name}: no cloud serves its metadata")
        return self._metadata

    def _choose_ports(self, *, again: bool) -> dict[int, int]:
        """Return a port for each forward: the one asked for, the last boot's, or a free one."""
        free = free_ports(len(self._wanted_forwards))
        last = {} if again else self._forwards
        return {
            guest: wanted or last.get(guest) or free.pop()
            for guest, wanted in self._wanted_forwards.items()
        }

    def _power_on_with(self, forwards: dict[int, int]) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            wiring = qemu.Wiring(
                disk=self._disk,
                seed=self._drive_of("disk"),
                cd=self._drive_of("cd"),
                console=self.console.path,
                uefi_variables=self._uefi_variables,
                forwards=forwards,
                restrict=self._restrict,
                monitor=theirs.fileno(),
                metadata=self._wired_metadata(),
            )
            command = qemu.command_line(self._hardware, wiring)
            if self._resolver is not None:
                command = self._resolver.around(command)
            self._console_start = self.console.size()
            errors = self.folder / "qemu.err"
            self._process = qemu.spawn(command, monitor=theirs, errors=errors)
            theirs.close()  # so that we hear when QEMU hangs up
            try:
                self._monitor = Monitor(ours.dup())
            except MachineError as error:
                self._power_off()
                raise self._startup_error(str(error)) from error
        self._forwards = forwards

    def _wired_metadata(self) -> qemu.Metadata | None:
        if self._cloud is None:
            return None
        return qemu.Metadata(addresses=self._cloud.addresses, port=self.metadata.port)

    def _drive_of(self, kind: Kind) -> Path | None:
        return self._drive_file if self._drive and self._drive.kind == kind else None

    def _startup_error(self, what: str) -> MachineError:
        said = self._stderr() or what
        if "host forwarding rule" not in said:
            return MachineError(f"{self.name}: QEMU does not start: {said}")
        for port in self._wanted_forwards.values():
            if port and f":{port}-" in said:
                return MachineError(f"{self.name}: port {port} of 127.0.0.1 is taken")
        return _PortTakenError(f"{self.name}: {said}")

    def _power_off(self) -> None:
        """End QEMU if it runs, and forget it."""
        self._hang_up()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(EXIT_SECONDS)
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.close()

    def crash(self) -> None:
        """Cut the power: QEMU gets SIGKILL, and what the guest had not written out is lost.

        It does not model a disk that lies about a flush: what QEMU had written is in this host's
        page cache.

        Raises:
            MachineError: it does not run.
        """
        self._check_process()
        self._power_off()

    def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> None:
        """Press the power button, and wait until the guest has switched itself off.

        Raises:
            MachineTimeoutError: it still runs after `timeout` seconds.
            MachineError: it does not run, or QEMU ended in error.
        """
        self._check_process()
        process = self._process
        assert process is not None
        start = pressed = time.monotonic()
        self._require_monitor().execute("system_powerdown")
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
                with suppress(MachineError):  # it may end at this very moment
                    self._require_monitor().execute("system_powerdown")
            time.sleep(POLL_SECONDS)
        if process.returncode != 0:
            self._check_process()
        self.timings[f"boot {self._boots} shutdown"] = round(time.monotonic() - start, 1)
        self._power_off()

    def wait_for_console(self, pattern: str, timeout: float = BOOT_SECONDS) -> None:
        """Wait until this boot has written on the serial console what a regular expression matches.

        It is seen a tenth of a second after QEMU logged it, long before anyone can log in.

        Raises:
            MachineTimeoutError: not within `timeout` seconds.
            MachineError: it does not run, or its kernel has panicked.
        """

        def probe(_remaining: float) -> None:
            if not self.console.shows(pattern, self._console_start):
                raise NotYetError("it is not on the console")

        self._wait(f"{pattern!r} on the console", probe, timeout, CONSOLE_SECONDS)

    def close(self) -> None:
        """End the machine and remove its files but the console's log; twice does no harm."""
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

    # Its state

    def save(self, name: str) -> None:
        """Keep memory, devices and disk as they are now, under `name`, in the overlay.

        Raises:
            MachineError: it does not run, or QEMU can't.
        """
        self._human(f"savevm {name}")

    def restore(self, name: str) -> None:
        """Bring back what `save` kept: the same boot goes on, and its clock is behind.

        Raises:
            MachineError: it does not run, or nothing was kept under `name`.
        """
        self._hang_up()
        self._human(f"loadvm {name}")

    def _human(self, command: str) -> None:
        """Run a command of QEMU's human monitor, which says nothing when all is well."""
        self._check()
        said = self._require_monitor().execute("human-monitor-command", **{"command-line": command})
        if said:
            raise MachineError(f"{self.name}: {command}: {str(said).strip()}")

    # Its network

    def block_network(self) -> None:
        """Pull the network cable; open connections hang and are not closed."""
        self._set_link(up=False)

    def unblock_network(self) -> None:
        """Plug the network cable in again."""
        self._set_link(up=True)

    def _set_link(self, *, up: bool) -> None:
        self._check_process()
        self._require_monitor().execute("set_link", name=qemu.NETWORK_DEVICE, up=up)

    def _require_monitor(self) -> Monitor:
        if self._monitor is None:
            raise MachineError(f"{self.name}: is not running")
        return self._monitor


def default_user(image: Path) -> str:
    """Return the user to whom cloud-init gives the key, by what the image's name begins with."""
    return "ubuntu" if "ubuntu" in image.name else "debian"


def _new_card() -> str:
    """Return an Ethernet address of those that are QEMU's."""
    return ":".join(["52:54:00", *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


class _PortTakenError(MachineError):
    """Somebody took a port between our choice and QEMU's use of it."""
