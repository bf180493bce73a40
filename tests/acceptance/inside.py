"""What the site answers to a program on the machine itself, past nginx if one likes."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from machine import Host

ANSWER_SECONDS = 60  # an emulated machine that is busy

# The path goes out as written: `..` is nobody's to tidy up.
_ASK = """
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
    """Status, headers and text of an answer."""

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
    """Ask from inside the machine, over TCP or, if one is named, over a unix socket.

    Raises MachineError if there is no answer within a minute.
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
    told = machine.succeed(f"python3 -c '{_ASK}'", stdin=json.dumps(asked))
    return Answer(*json.loads(told))
