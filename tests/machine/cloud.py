"""What makes a machine an instance of a cloud: each cloud is one of these, in a file of clouds/."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from machine.drive import Drive
from machine.metadata import Service
from machine.qemu import Card, DiskBus


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One machine, as its user ordered it and its cloud made it.

    Attributes:
        identity: the cloud's name for it, i-0123456789abcdef0.
        address: its IPv4 address on the cloud's network, see `qemu.CLOUD_ADDRESS`.
        mac: Ethernet address of its network card.
        public_key: its user's key, a line of authorized_keys.
        user: whom the key is to open, where a cloud asks for it: the image's own default user.
        hostname: the name that its user gave it; None leaves it to the cloud.
        user_data: None if its user gave none.
    """

    identity: str
    address: str
    mac: str
    public_key: str
    hostname: str | None
    user_data: str | None
    user: str = "debian"


class Cloud(ABC):
    """A cloud, as far as a machine can tell from inside.

    Attributes:
        datasource: what cloud-init calls it.
        disk_bus: how it attaches a disk.
        card: the network card that it gives.
        addresses: where it serves metadata, each on port 80; none for one that has no such server.
        names: of its metadata servers, and their addresses, where its resolver is what knows them.
        complaints: patterns of what cloud-init says there against the cloud, whatever the image.
    """

    datasource: str
    disk_bus: DiskBus = "virtio-blk"
    card: Card = "virtio-net"
    addresses: Sequence[str] = ("169.254.169.254",)  # of most clouds; link-local, RFC 3927
    names: Mapping[str, str] = {}
    complaints: Sequence[str] = ()

    @property
    def candidates(self) -> Sequence[str]:
        """The datasources that cloud-init may try there, the first that answers being taken."""
        return self.datasource, "None"

    @property
    def public(self) -> Sequence[str]:
        """The instance's names and addresses on the internet, as far as it can learn them."""
        return ()

    def new_identity(self) -> str:
        """Return what it might call its next instance."""
        return f"i-0{secrets.token_hex(8)}"

    @abstractmethod
    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the tables that the firmware shows, each a value of QEMU's -smbios."""

    @abstractmethod
    def service(self, instance: Instance) -> Service:
        """Return what answers the instance's requests to `addresses`; the Host tells which."""

    def drive(self, instance: Instance) -> Drive | None:
        """Return what it attaches to the instance besides its disk; None for nothing."""
        del instance
        return None
