"""Start and drive the machines that the acceptance tests look at.

`Machine` is a virtual machine of ours, on a throw-away overlay of an image; `RemoteHost` is a host
that already runs somewhere. Both speak the vocabulary of `Host`.
"""

from machine.cloud import Cloud
from machine.error import KernelPanicError, MachineError, MachineTimeoutError, UnreachableError
from machine.host import Host, Result
from machine.machine import Machine
from machine.remote import RemoteHost

__all__ = [
    "Cloud",
    "Host",
    "KernelPanicError",
    "Machine",
    "MachineError",
    "MachineTimeoutError",
    "RemoteHost",
    "Result",
    "UnreachableError",
]
