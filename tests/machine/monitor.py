"""QEMU's monitor (QMP), and the one thread in which its asyncio client runs."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

from qemu.qmp import QMPClient, QMPError

from machine.error import MachineError

T = TypeVar("T")

# The client logs a traceback when QEMU is killed, which for us is an ordinary end.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="machine", daemon=True).start()
    return loop


def _wait(coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, timeout), _loop()).result()


def call_in_lasting_thread(function: Callable[[], T]) -> T:
    """Call `function` in a thread that ends when this process does, and return its answer."""

    async def call() -> T:
        return function()

    return asyncio.run_coroutine_threadsafe(call(), _loop()).result()


class Monitor:
    """A connection to the monitor of one QEMU.

    Args:
        connection: our end of the socket of which QEMU holds the other; closed with the monitor.
        timeout: seconds QEMU may take to greet and to answer a command.

    Raises:
        MachineError: QEMU did not greet, most often because it has exited.
    """

    def __init__(self, connection: socket.socket, *, timeout: float = 120) -> None:
        self._timeout = timeout
        self._client = QMPClient("machine")
        try:
            _wait(self._client.connect(connection), timeout)
        except (QMPError, OSError, TimeoutError) as error:
            connection.close()
            raise MachineError(f"QEMU's monitor does not answer: {error}") from error

    def execute(self, command: str, **arguments: object) -> object:
        """Run one QMP command and return what it returns.

        Raises:
            MachineError: QEMU refused the command, or is gone.
        """
        try:
            return _wait(self._client.execute(command, arguments), self._timeout)
        except (QMPError, OSError, TimeoutError) as error:
            raise MachineError(f"QMP {command}: {error}") from error

    def close(self) -> None:
        """Hang up, whether or not QEMU is still there."""
        try:
            _wait(self._client.disconnect(), self._timeout)
        except (QMPError, OSError, EOFError, TimeoutError):
            return  # QEMU hung up first
