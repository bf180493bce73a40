"""Requests that a program on the machine itself sends to the site, through nginx or past it."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from machine import Host

ANSWER_SECONDS = 60  # a busy emulated machine

# http.client sends the path as it is written; other clients resolve `..`.
_REQUEST = """
import http.client, json, socket, sys
asked = json.load(sys.stdin)
connection = http.client.HTTPConnection(asked["address"], asked["port"], timeout=asked["timeout"])
if asked["socket"]:
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(asked["timeout"])
    connection.sock.connect(asked["socket"])
connection.request(asked["method"], asked["path"], asked["body"], asked["headers"])
answer = connection.getresponse()
text = answer.read().decode(errors="replace")
print(json.dumps([answer.status, dict(answer.getheaders()), text]))
"""


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: dict[str, str]
    text: str


def ask(
    machine: Host,
    path: str,
    *,
    address: str = "127.0.0.1",
    port: int = 80,
    socket: str = "",
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    body: str | None = None,
) -> Answer:
    """Send a request from inside the machine, over TCP or over the Unix socket `socket`.

    Raises MachineError if no response comes within ANSWER_SECONDS.
    """
    asked = {
        "method": method,
        "body": body,
        "address": address,
        "port": port,
        "socket": socket,
        "path": path,
        "headers": dict(headers or {}),
        "timeout": ANSWER_SECONDS,
    }
    output = machine.succeed(f"python3 -c '{_REQUEST}'", stdin=json.dumps(asked))
    return Answer(*json.loads(output))
