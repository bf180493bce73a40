"""Load on a site from this host: requests by wrk, and guests on websockets.

Both share this host's processors with a machine on it, in each row of a table alike.
"""

import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Barrier, BrokenBarrierError, Event

import requests
import websocket
from acceptance.chat_site.chat import PUBLIC
from acceptance.web import ANSWER_SECONDS, Browser, open_websocket

CONNECTIONS = 16  # kept open, each with one request at a time
GUESTS = 8
NAME = "bench-servers"  # of each guest
WARM_SECONDS = 5.0  # of load that is not counted: caches, threads and connections come first
END_SECONDS = 60.0  # that wrk may take beyond its time
# Of one processor, for all guests together: beyond it, this host is what is measured.
BUSY = 0.8

# wrk writes a time with the largest unit that it has one of.
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3}


class LoadError(Exception):
    """The site did not bear the load: an answer was an error, or did not come."""


@dataclass(frozen=True)
class Requests:
    """What a page took: requests a second, and the milliseconds within which 99 of 100 were
    answered."""

    per_second: float
    p99_ms: float


@dataclass(frozen=True)
class Rounds:
    """What websockets took: rounds a second, of a guest's word and what it waits for.

    `own_work` is how much of a processor the guests themselves needed.
    """

    per_second: float
    own_work: float

    @property
    def held_back(self) -> bool:
        """Whether the guests could hardly have been faster, whatever the site is."""
        return self.own_work > BUSY


def check_host() -> None:
    """Look whether this host has what `ask_page` needs.

    Raises:
        LoadError: it has not.
    """
    if shutil.which("wrk") is None:
        raise LoadError("wrk is not installed (package wrk)")


def ask_page(url: str, path: str, seconds: float) -> Requests:
    """Ask for a page again and again, on connections that are kept.

    Args:
        url: the site, without a slash at its end.
        path: the page; it must answer 200, and no redirect.
        seconds: how long it is measured, after WARM_SECONDS that are not.

    Raises:
        LoadError: an answer is not 200, or none comes.
    """
    # wrk itself counts a redirect as an answer.
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


def parse_wrk(told: str, path: str) -> Requests:
    """Return what `wrk --latency` has printed of a page.

    Raises:
        LoadError: there were errors, no answer at all, or it is no such text.
    """
    wrong = [
        line.strip()
        for line in told.splitlines()
        if line.strip().startswith(("Non-2xx or 3xx responses:", "Socket errors:"))
    ]
    if wrong:
        raise LoadError(f"GET {path}: {'; '.join(wrong)}")
    rate = re.search(r"^Requests/sec: +([\d.]+)$", told, re.MULTILINE)
    p99 = re.search(r"^ +99% +([\d.]+)(us|ms|s|m|h) *$", told, re.MULTILINE)
    if not rate or not p99:
        raise LoadError(f"GET {path}: wrk says neither a rate nor what 99 % took:\n{told}")
    if not float(rate[1]):
        raise LoadError(f"GET {path}: no answer")
    return Requests(float(rate[1]), float(p99[1]) * MILLISECONDS[p99[2]])


# What a guest of the chat does in one round; each returns when its answer has come.


def echo(guest: websocket.WebSocket) -> None:
    """Say what is no JSON: the chat answers who said it, without its database or its layer."""
    guest.send("?")
    while (frame := _frame(guest))["type"] == "message":  # of the history
        pass
    if frame["code"] != "malformed":
        raise LoadError(f"the chat answers {frame}")


def message(guest: websocket.WebSocket) -> None:
    """Say something and hear it: it is stored, and comes through the channel layer to everyone."""
    text = secrets.token_hex(8)
    guest.send(json.dumps({"message": text, "name": NAME}))
    while (frame := _frame(guest))["message"] != text:
        if frame["type"] == "error":
            raise LoadError(f"the chat answers {frame}")


def _frame(guest: websocket.WebSocket) -> dict[str, str]:
    text = guest.recv()
    if not text:
        raise LoadError("the chat has hung up")
    frame: dict[str, str] = json.loads(text)
    return frame


Round = Callable[[websocket.WebSocket], None]


def talk(url: str, round_of: Round, seconds: float) -> Rounds:
    """Let GUESTS of the chat do `round_of` again and again, each on a websocket of its own.

    Args:
        url: the site, without a slash at its end.
        round_of: `echo` or `message`.
        seconds: how long it is measured, after WARM_SECONDS that are not.

    Raises:
        LoadError: a guest is not let in, is answered by an error, or not at all.
    """
    course = _Course(seconds)
    with ThreadPoolExecutor(GUESTS) as pool:
        guests = [pool.submit(_guest, url, round_of, course) for _ in range(GUESTS)]
        try:
            wait(guests, return_when=FIRST_EXCEPTION)
        finally:
            course.stop()
    errors = [error for guest in guests if (error := guest.exception())]
    # Where one guest fails, the others find their common start broken off.
    errors.sort(key=lambda error: isinstance(error, BrokenBarrierError))
    if errors:
        raise errors[0]
    rounds = sum(guest.result() for guest in guests)
    if not rounds:
        raise LoadError(f"the websockets of {PUBLIC}: no answer within {seconds:.0f} s")
    return Rounds(rounds / seconds, course.work / (WARM_SECONDS + seconds))


class _Course:
    """When all guests begin, what of it counts, and when they end.

    Attributes:
        start: where they wait for each other.
        counted: first and last second that counts, by time.monotonic().
        work: processor seconds of this process, in the end.
    """

    def __init__(self, seconds: float) -> None:
        self.start = Barrier(GUESTS, action=self._begin, timeout=ANSWER_SECONDS)
        self.counted = (0.0, 0.0)
        self.work = 0.0
        self._seconds = seconds
        self._over = Event()

    def _begin(self) -> None:
        first = time.monotonic() + WARM_SECONDS
        self.counted = (first, first + self._seconds)
        self.work = -time.process_time()

    def goes_on(self) -> bool:
        return time.monotonic() < self.counted[1] and not self._over.is_set()

    def counts(self) -> bool:
        """Whether a round that ends now is one to count."""
        return self.counted[0] <= time.monotonic() < self.counted[1]

    def stop(self) -> None:
        """Have those end who have not."""
        self.work += time.process_time()
        self._over.set()
        self.start.abort()


def _guest(url: str, round_of: Round, course: _Course) -> int:
    """Return how many rounds of one guest have ended in the time that counts."""
    rounds = 0
    try:
        guest = open_websocket(url, PUBLIC)
        try:
            course.start.wait()
            while course.goes_on():
                round_of(guest)
                rounds += course.counts()
        finally:
            guest.close()
    except (LoadError, websocket.WebSocketException, OSError, ValueError) as error:
        raise LoadError(f"a websocket of {PUBLIC}: {error or type(error).__name__}") from error
    return rounds
