"""Start and drive the machines under test.

`Machine` is a virtual machine on a throw-away overlay of an image; `RemoteHost` is a host that
already runs. Both are a `Host`, with the vocabulary of the NixOS test driver.
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
