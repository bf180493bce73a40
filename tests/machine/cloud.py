"""What makes a machine an instance of a cloud; each subclass of `Cloud` is a file in clouds/."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from machine.drive import Drive
from machine.metadata import Service, serve_pages
from machine.qemu import DiskBus

PUBLIC_IPV4 = "203.0.113.25"  # of an instance behind NAT; reserved for documentation, RFC 5737


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One machine in a cloud.

    Attributes:
        identity: the cloud's name for it, such as i-0123456789abcdef0.
        address: its IPv4 address on the cloud's network, see `qemu.CLOUD_ADDRESS`.
        public_key: a line of authorized_keys.
        user: the account that the key opens, where a cloud asks for it.
        hostname: None leaves the name to the cloud.
    """

    identity: str
    address: str
    mac: str
    public_key: str
    user: str
    hostname: str | None
    user_data: str | None


class Cloud(ABC):
    """A cloud, as far as software on the machine can tell.

    Attributes:
        candidates: the datasources that cloud-init may try there, in order; it takes the first.
        public: the public names and addresses that an instance can learn.
        disk_bus: how the cloud attaches a disk.
        addresses: of its metadata servers, on port 80.
        names: host names of its metadata servers, if only its resolver knows them.
        complaints: patterns of warnings that cloud-init logs there whatever the image.
    """

    candidates: Sequence[str]
    public: Sequence[str] = (PUBLIC_IPV4,)
    disk_bus: DiskBus = "virtio-blk"
    addresses: Sequence[str] = ("169.254.169.254",)  # link-local, RFC 3927
    names: Mapping[str, str] = {}
    complaints: Sequence[str] = ()

    @property
    def datasource(self) -> str:
        """The datasource that configures an instance."""
        return self.candidates[0]

    def new_identity(self) -> str:
        """Return an identity such as the cloud gives a new instance."""
        return f"i-0{secrets.token_hex(8)}"

    @abstractmethod
    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the firmware's tables, each a value of QEMU's -smbios."""

    def service(self, instance: Instance) -> Service:
        """Return the metadata service of `instance`, for all `addresses`."""
        return serve_pages(self.pages(instance))

    def pages(self, instance: Instance) -> Mapping[str, str]:
        """Return the texts of a metadata service that requires no header, by path."""
        del instance
        return {}

    def drive(self, instance: Instance) -> Drive | None:
        """Return the drive that the cloud attaches besides the disk, if any."""
        del instance
        return None
