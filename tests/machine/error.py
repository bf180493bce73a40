"""What can go wrong with a machine."""


class MachineError(Exception):
    """A machine did not do what was asked; the text says what, and shows the console's end."""


class MachineTimeoutError(MachineError, TimeoutError):
    """A deadline passed before what was waited for had happened."""


class KernelPanicError(MachineError):
    """The guest's kernel has panicked; under emulation it may do so by no fault of its own."""


class UnreachableError(MachineError):
    """SSH could not be opened, or was lost before the command had ended."""
