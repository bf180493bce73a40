"""Errors of machines."""


class MachineError(Exception):
    """A machine did not do what was requested; the text has the console's last lines."""


class MachineTimeoutError(MachineError, TimeoutError):
    """A deadline passed before a condition held."""


class KernelPanicError(MachineError):
    """The guest's kernel panicked, which emulation alone can cause."""


class UnreachableError(MachineError):
    """No SSH connection, or the connection was lost before the command ended."""


class NotYetError(Exception):
    """The condition of a wait does not hold yet; the text says what holds instead."""
