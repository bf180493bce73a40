"""`laurel watch`: replaces processes that hang or leak, and keeps the disk usable.

A hung process keeps its socket, so nginx continues to send it requests. When it is killed, its
manager starts it again, and nginx repeats what may be repeated on another process.
"""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from laurel import capacity, disk, health, lock, nginx, rolling
from laurel.errors import LaurelError
from laurel.manager import Manager, manager_of
from laurel.process import Process
from laurel.settings import Settings, load

INTERVAL = 2.0  # seconds between two rounds
TIMEOUT = 5.0  # seconds for an answer; `/healthz` takes milliseconds
STRIKES = 2  # rounds in which a process answers nothing: it is killed within about 25 s
# Seconds until the first answer. A process that is killed while it starts would never come up, and
# on an overloaded machine a start has taken more than 60 s.
START_LIMIT = 600
# Seconds between two kills: doubled by each one, because more kills would not help. The first value
# holds again after CALM seconds without a kill.
PAUSE, LONGEST_PAUSE, CALM = 15.0, 600.0, 900.0
# A path that no project has: Django answers it with 404, without what the health page depends on.
OTHER_PATH = "/.laurel-is-this-process-alive"
AT_ONCE = 32  # probes


@dataclass
class Watch:
    """What one watcher knows; `say` gets a message for each thing that happens."""

    say: Callable[[str], None]
    settings: Settings
    strikes: dict[int, int] = field(default_factory=dict)  # by pid, of those that have answered
    problems: dict[str, str] = field(default_factory=dict)  # by name, as last reported
    pause: float = PAUSE
    killed: float = float("-inf")  # the time of the last kill
    victim: str = ""  # the socket of the process that was killed and has not answered yet

    def round(self) -> None:
        """Examine all processes at once, and replace one of them at most."""
        manager = manager_of(self.settings)
        running = [process for process in manager.processes() if process.state == "RUNNING"]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(self._examine, running))
        before, self.strikes = self.strikes, {}
        for process, (alive, problem) in zip(running, answers, strict=True):
            self._report(process.name, problem)
            if alive:
                self.strikes[process.pid] = 0
                if process.socket == self.victim:
                    self.victim = ""
            elif process.pid in before or process.uptime > START_LIMIT:
                self.strikes[process.pid] = before.get(process.pid, 0) + 1
        hung = [one for one in running if self.strikes.get(one.pid, 0) >= STRIKES]
        if hung and self._may_replace():
            self._kill(hung[0], self.problems[hung[0].name])
        elif not hung:
            self._replace_leak(manager, running)
        well = {
            one.socket for one, (_, problem) in zip(running, answers, strict=True) if not problem
        }
        drained = nginx.drained()
        if drained and drained <= well:
            rolling.readmit(self.settings)
            self.say("processes that got no requests answer again: they get requests")

    def _examine(self, process: Process) -> tuple[bool, str]:
        """Whether the process answers anything, and what is wrong with it."""
        path = self.settings.get("HEALTH_PATH")
        answer = health.ask(process.socket, path, TIMEOUT)
        if isinstance(answer, int):
            return True, "" if answer < health.HEALTHY_BELOW else f"{path}: HTTP {answer}"
        other = health.ask(process.socket, OTHER_PATH, TIMEOUT)
        if isinstance(other, int):
            return True, f"{answer}, but it answers other requests"
        return False, answer

    def _report(self, name: str, problem: str) -> None:
        if problem and not self.problems.get(name):
            self.say(f"{name}: {problem}")
        elif not problem and self.problems.get(name):
            self.say(f"{name} is healthy again")
        self.problems[name] = problem

    def _may_replace(self) -> bool:
        waited = time.monotonic() - self.killed
        if waited > CALM:
            self.pause = PAUSE
        return waited > (self.pause if not self.victim else max(self.pause, START_LIMIT))

    def _kill(self, process: Process, problem: str) -> None:
        self.say(f"{process.name} (pid {process.pid}) does not answer, killed: {problem}")
        self._note(process)
        # The whole process group: a server's worker would serve on without it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _replace_leak(self, manager: Manager, running: list[Process]) -> None:
        limit = capacity.process_memory(self.settings.values)
        for process in running:
            used = health.memory(process.pid)
            if used > limit and self._may_replace():
                self.say(
                    f"{process.name} (pid {process.pid}) uses {used} MiB, more than"
                    f" PROCESS_MEMORY={limit}: drained and replaced"
                )
                self._note(process)
                try:
                    rolling.replace(manager, process)
                except LaurelError as error:
                    self.say(str(error))
                break

    def _note(self, process: Process) -> None:
        now = time.monotonic()
        self.pause = PAUSE if now - self.killed > CALM else min(2 * self.pause, LONGEST_PAUSE)
        self.killed, self.victim = now, process.socket


def watch(say: Callable[[str], None]) -> None:
    """Watch the processes and the disk until this process ends."""
    watcher = Watch(say, load())
    # After a reload that failed, the files are not those of the processes.
    seen = None if rolling.UNFINISHED.exists() else _state(watcher.settings)
    space = disk.Space(say)
    while True:
        try:
            space.tend()
            now = _state(watcher.settings)
            # During a reload the files may name sockets that no running process has: a probe of
            # them would kill processes that serve well.
            if now != seen and not rolling.UNFINISHED.exists():
                watcher.settings = load()
                seen = now = _state(watcher.settings)
            if now == seen and not lock.held(rolling.LOCK):
                watcher.round()
        except LaurelError:
            pass  # the manager does not answer while it starts or stops
        except Exception as error:  # whatever ends meanwhile, the watch goes on
            say(f"watch: {type(error).__name__}: {error}")
        time.sleep(INTERVAL)


def _state(settings: Settings) -> list[int]:
    """When each file that a reload writes was written, in nanoseconds."""
    files = (*manager_of(settings).files, rolling.DONE)
    return [file.stat().st_mtime_ns for file in files if file.exists()]
