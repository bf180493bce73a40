"""Load on a site from this host: requests by wrk, and guests on websockets.

A virtual machine on this host shares its processors with the load, in each row of a table alike.
"""

import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

import requests
import websocket
from acceptance.chat_site.chat import PUBLIC
from acceptance.web import ANSWER_SECONDS, Browser, open_websocket

CONNECTIONS = 16  # kept open, each with one request at a time
GUESTS = 8
NAME = "bench-servers"  # of each guest
WARM_SECONDS = 5.0  # of load that is not counted, to fill caches and open connections
END_SECONDS = 60.0  # that wrk may take beyond its time
# Fraction of a processor for all guests; above it, they limit the rate, not the site.
BUSY = 0.8

# wrk writes a time in the largest unit of which it has one.
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3}


class LoadError(Exception):
    """A response was an error, or did not come."""


@dataclass(frozen=True)
class Requests:
    """Requests a second, and the 99th percentile of the latency in milliseconds."""

    per_second: float
    p99_ms: float


@dataclass(frozen=True)
class Rounds:
    """Rounds a second, and the fraction of a processor that the guests themselves used."""

    per_second: float
    own_work: float


def check_host() -> None:
    """Raise LoadError if this host lacks wrk."""
    if shutil.which("wrk") is None:
        raise LoadError("wrk is not installed (package wrk)")


def load_page(url: str, path: str, seconds: float) -> Requests:
    """Measure a page for `seconds`, after WARM_SECONDS, on kept connections.

    Raises LoadError if a response is not 200, or none comes.
    """
    # wrk itself counts redirects as success.
    try:
        answer = Browser(url).get(path)
    except requests.RequestException as error:
        raise LoadError(f"GET {path}: {error}") from error
    if answer.status_code != 200:
        raise LoadError(f"GET {path} gives {answer.status_code} {answer.reason}, not 200")
    parse_wrk(_wrk(url + path, WARM_SECONDS), path)
    return parse_wrk(_wrk(url + path, seconds), path)


def _wrk(address: str, seconds: float) -> str:
    command = [
        *("wrk", "--latency", "--threads", "1", "--connections", str(CONNECTIONS)),
        *("--duration", f"{seconds:.0f}s", "--timeout", f"{ANSWER_SECONDS:.0f}s", address),
    ]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + END_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"wrk still runs after {error.timeout:.0f} s: {address}") from error
    if ended.returncode != 0:
        raise LoadError(f"wrk: {(ended.stderr or ended.stdout).strip()}")
    return ended.stdout


def parse_wrk(output: str, path: str) -> Requests:
    """Parse the output of `wrk --latency`. Raises LoadError for errors or no response at all."""
    errors = re.findall(r"^ *((?:Non-2xx or 3xx responses|Socket errors):.*)$", output, re.M)
    if errors:
        raise LoadError(f"GET {path}: {'; '.join(errors)}")
    rate = re.search(r"^Requests/sec: +([\d.]+)$", output, re.MULTILINE)
    p99 = re.search(r"^ +99% +([\d.]+)(us|ms|s|m|h) *$", output, re.MULTILINE)
    if not rate or not p99 or not float(rate[1]):
        raise LoadError(f"GET {path}: no response:\n{output}")
    return Requests(float(rate[1]), float(p99[1]) * MILLISECONDS[p99[2]])


def echo(guest: websocket.WebSocket) -> None:
    """Send what is not JSON: the chat's consumer answers it without database or channel layer."""
    guest.send("?")
    while (frame := _frame(guest))["type"] == "message":  # of the history
        pass
    if frame["code"] != "malformed":
        raise LoadError(f"the chat answers {frame}")


def message(guest: websocket.WebSocket) -> None:
    """Send a message and wait for it: it is stored, and comes through the channel layer."""
    text = secrets.token_hex(8)
    guest.send(json.dumps({"message": text, "name": NAME}))
    while (frame := _frame(guest))["message"] != text:
        if frame["type"] == "error":
            raise LoadError(f"the chat answers {frame}")


def _frame(guest: websocket.WebSocket) -> dict[str, str]:
    text = guest.recv()
    if not text:
        raise LoadError("the chat closed the connection")
    frame: dict[str, str] = json.loads(text)
    return frame


Round = Callable[[websocket.WebSocket], None]


def talk(url: str, round_of: Round, seconds: float) -> Rounds:
    """Repeat `round_of`, `echo` or `message`, on GUESTS websockets at once.

    Rounds count that end within `seconds`, after WARM_SECONDS. Raises LoadError if a websocket is
    refused, or a response is an error or does not come.
    """
    try:
        with ExitStack() as room:
            guests = [
                room.enter_context(closing(open_websocket(url, PUBLIC))) for _ in range(GUESTS)
            ]
            work = time.process_time()
            first = time.monotonic() + WARM_SECONDS

            def rounds(guest: websocket.WebSocket) -> int:
                count = 0
                while time.monotonic() < first + seconds:
                    round_of(guest)
                    count += first <= time.monotonic() < first + seconds
                return count

            with ThreadPoolExecutor(GUESTS) as pool:
                total = sum(pool.map(rounds, guests))
            work = time.process_time() - work
    except (LoadError, websocket.WebSocketException, OSError, ValueError) as error:
        raise LoadError(f"a websocket of {PUBLIC}: {error or type(error).__name__}") from error
    if not total:
        raise LoadError(f"the websockets of {PUBLIC}: no response within {seconds:.0f} s")
    return Rounds(total / seconds, work / (WARM_SECONDS + seconds))
