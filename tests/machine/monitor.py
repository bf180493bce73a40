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

ANSWER_SECONDS = 120.0  # for the greeting and for each command

# The client logs a traceback when QEMU is killed, which is an ordinary end here.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="machine", daemon=True).start()
    return loop


def _wait(coroutine: Coroutine[Any, Any, T]) -> T:
    limited = asyncio.wait_for(coroutine, ANSWER_SECONDS)
    return asyncio.run_coroutine_threadsafe(limited, _loop()).result()


def call_in_lasting_thread(function: Callable[[], T]) -> T:
    """Call `function` in a thread that lives as long as this process, and return its result."""

    async def call() -> T:
        return function()

    return asyncio.run_coroutine_threadsafe(call(), _loop()).result()


class Monitor:
    """A connection to the monitor of one QEMU.

    Args:
        connection: our end of the socket whose other end QEMU has; closed with the monitor.

    Raises:
        MachineError: QEMU did not greet, most often because it has exited.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._client = QMPClient("machine")
        try:
            _wait(self._client.connect(connection))
        except (QMPError, OSError, TimeoutError) as error:
            connection.close()
            raise MachineError(f"QEMU's monitor does not answer: {error}") from error

    def execute(self, command: str, **arguments: object) -> object:
        """Run a QMP command and return its result.

        Raises:
            MachineError: QEMU refused the command, or has exited.
        """
        try:
            return _wait(self._client.execute(command, arguments))
        except (QMPError, OSError, TimeoutError) as error:
            raise MachineError(f"QMP {command}: {error}") from error

    def close(self) -> None:
        """Disconnect, whether or not QEMU still runs."""
        try:
            _wait(self._client.disconnect())
        except (QMPError, OSError, EOFError, TimeoutError):
            return  # QEMU closed its end first
