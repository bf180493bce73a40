"""What makes a machine an instance of a cloud: each cloud is one of these, in a file of its own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from machine.metadata import Service


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One machine, as its user ordered it and its cloud made it.

    Attributes:
        identity: the cloud's name for it, i-0123456789abcdef0.
        address: its IPv4 address on the cloud's network.
        mac: Ethernet address of its network card.
        public_key: its user's key, a line of authorized_keys.
        hostname: the name that its user gave it; None leaves it to the cloud.
        user_data: None if its user gave none.
    """

    identity: str
    address: str
    mac: str
    public_key: str
    hostname: str | None
    user_data: str | None


class Cloud(ABC):
    """A cloud, as far as a machine can tell from inside.

    Attributes:
        datasource: what cloud-init calls it.
        metadata_address: where it serves metadata, on port 80.
    """

    datasource: str
    metadata_address = "169.254.169.254"  # of most clouds; link-local, RFC 3927

    @abstractmethod
    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the tables that the firmware shows, each a value of QEMU's -smbios."""

    @abstractmethod
    def service(self, instance: Instance) -> Service:
        """Return what answers the instance's requests for its metadata."""
