"""`make acceptance SUITE=...` and `make bench`: the commands that each of them runs.

The README describes the suites. Their options, from the environment:

    OS APP IMAGE   what is checked, as for `make image`
    TARGET HOST    stages, load: TARGET=vagrant checks Vagrant's machine, HOST=user@address a host,
    KEY URL        with KEY=file and URL=http://... if they are not the usual ones
    DISRUPT        DISRUPT=1 allows checks that kill, restart or write on a host
    CHECKS         a marker expression of pytest: CHECKS="not disruptive", CHECKS=short
    SET            settings that differ from the defaults, given to the image at its first boot:
                   SET="ASGI_SERVER=uvicorn HTTP_SERVER=gunicorn"; they select the checks
    OWN            checks of this project alone; for app/, those of the chat site
    ONLY           faults: part of the names of the faults to try
    REPORTS        folder of the reports
    ROUNDS         boot: how often each disk boots
    SECONDS ROWS   load: seconds for each load; rows such as uvicorn,core
    NATIVE         load: NATIVE=1 runs the image on this host's kernel, as root
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import inspection
import names
import settings
from run import as_root

TOP = Path(__file__).resolve().parent.parent
Command = list[str]


class UsageError(Exception):
    """An option has an invalid value."""


@dataclass(frozen=True)
class Proof:
    """One run: its options, the project, the system."""

    options: Mapping[str, str]
    project: Path
    system: str
    image: Path
    bases: list[Path] = field(default_factory=list)

    def option(self, name: str, default: str = "") -> str:
        return self.options.get(name) or default

    @property
    def own_app(self) -> bool:
        return not names.prefix(self.project)

    @property
    def target(self) -> str:
        """image, vagrant or host."""
        target = self.option("TARGET", "host" if self.option("HOST") else "image")
        if target not in ("image", "vagrant", "host") or (
            target == "host" and not self.option("HOST")
        ):
            raise UsageError(f"TARGET={target}: use image or vagrant, or give HOST=user@address")
        return target

    @property
    def machine(self) -> Command:
        """The options of the checks that name the machine."""
        if self.target == "image":
            return [f"--image={self.image}"]
        if self.target == "vagrant":
            return ["--vagrant"]
        given = ((name, self.option(name.upper())) for name in ("host", "key", "url"))
        return [f"--{name}={value}" for name, value in given if value]

    def report(self, name: str) -> str:
        target = self.system if self.target == "image" else self.target
        folder = f"build/reports/{names.prefix(self.project)}{target}"
        return f"{self.option('REPORTS', folder)}/{name}"

    def pytest(self, name: str, *tests: str, machine: Command) -> Command:
        report = self.report(name)
        return [
            *(sys.executable, "-m", "pytest", *tests, "-v", "--tb=short", *machine),
            *(f"--junit-xml={report}.xml", f"--html={report}.html", "--self-contained-html"),
        ]

    # The suites

    def stages(self) -> list[Command]:
        chat = "tests/acceptance/chat_site" if self.own_app else ""
        own = self.option("OWN", chat)
        tests = ["tests/acceptance/any_site", *([own] if own else [])]
        if self.target == "image":
            tests.insert(0, "tests/acceptance/hygiene")  # of the disk, before it boots
        given = [f"--setting={word}" for word in self.option("SET").split()]
        checks = ["-m", self.option("CHECKS")]
        return [self.pytest("acceptance", *tests, *checks, machine=[*given, *self.machine])]

    def first_boot(self) -> list[Command]:
        folder = "tests/acceptance/first_boot"
        left_out = [f"--ignore={folder}/clouds"]
        services = ["postgresql", "redis-server"]
        if not self.own_app:
            left_out.append(f"--ignore={folder}/chat")
            services = []
        return [
            _prerequisites(*services),
            self.pytest("first-boot", folder, *left_out, machine=self._image),
        ]

    def clouds(self) -> list[Command]:
        folder = "tests/acceptance/first_boot/clouds"
        return [self.pytest("clouds", folder, machine=self._image)]

    def formats(self) -> list[Command]:
        formats = self.option("FORMATS").split()
        vagrant = ["vagrant"] if not formats or "box" in formats else []
        return [
            _make("export"),
            _prerequisites(*vagrant),
            self.pytest("formats", "tests/acceptance/formats", machine=self._image),
        ]

    def faults(self) -> list[Command]:
        """All faults under load; with SET (as the image was baked), those that depend on it."""
        given = dict(word.split("=", 1) for word in self.option("SET").split())
        table = given.get("ASGI_SERVER") or given.get("PROCESS_MANAGER") or "faults"
        only = [f"--only={self.option('ONLY')}"] if self.option("ONLY") else []
        native = [
            *(*as_root(), "env", f"PYTHONPATH={os.environ.get('PYTHONPATH', '')}"),
            *("tests/bench/native.sh", str(self.image)),
            *(sys.executable, "-m", "acceptance.reliability.prove", *only, f"--table={table}"),
            *(["--short"] if given else []),
        ]
        prerequisites = _prerequisites("systemd-container", "iproute2", "postgresql")
        if given:
            return [prerequisites, native]
        emulated = [sys.executable, "-m", "acceptance.reliability.boots", str(self.image), *only]
        planted = [sys.executable, "tests/acceptance/faults.py", str(self.image)]
        return [
            prerequisites,
            native,
            [*emulated, "--table=machine"],
            *([] if only else [planted]),
        ]

    def servers(self) -> list[Command]:
        return [["tests/acceptance/servers/prove.sh"]]

    def projects(self) -> list[Command]:
        return [["tests/projects/prove.sh"]]

    def vagrant(self) -> list[Command]:
        return [_make("image"), ["tests/vagrant/prove.sh"]]

    def full(self) -> list[Command]:
        suites = ("stages", "first-boot", "clouds", "formats", "faults", "vagrant")
        return [
            _make("image", "OS=debian-13"),
            *(_make("acceptance", f"SUITE={suite}", "OS=debian-13") for suite in suites),
            _make("image", "acceptance", "OS=debian-12"),
            *(_make("acceptance", f"SUITE={suite}") for suite in ("projects", "servers")),
        ]

    # The benches

    def boot(self) -> list[Command]:
        given = self.option("BASE_IMAGE")
        base = Path(given or "build/work/base.qcow2")
        # The base system's disk; without one, the message of disk.sh names what is missing.
        root = self.bases[0] if self.bases else Path("build/base", self.system, "root")
        disk = ["packer/disk.sh", str(root), str(root.parent), str(base)]
        return [
            *([] if given else [[*as_root(), *disk]]),
            [
                *(sys.executable, "tests/bench/boot.py", str(self.image)),
                f"--base={base}",
                f"--rounds={self.option('ROUNDS', '1')}",
                f"--json={self.report('boot')}.json",
            ],
        ]

    def load(self) -> list[Command]:
        native = bool(self.option("NATIVE"))
        return [
            _prerequisites("wrk", *(["systemd-container", "iproute2"] if native else [])),
            [
                *(["tests/bench/native.sh", str(self.image)] if native else []),
                *(sys.executable, "tests/bench/servers.py", *([] if native else self.machine)),
                f"--seconds={self.option('SECONDS', '20')}",
                f"--rows={self.option('ROWS')}",
                f"--json={self.report('servers')}.json",
            ],
        ]

    @property
    def _image(self) -> Command:
        return [f"--image={self.image}"]


SUITES: dict[str, Callable[[Proof], list[Command]]] = {
    "stages": Proof.stages,
    "first-boot": Proof.first_boot,
    "clouds": Proof.clouds,
    "formats": Proof.formats,
    "faults": Proof.faults,
    "servers": Proof.servers,
    "projects": Proof.projects,
    "vagrant": Proof.vagrant,
    "full": Proof.full,
}
BENCHES = {"boot": Proof.boot, "load": Proof.load}


def main(name: str) -> None:
    """Run the commands of a suite or a bench up to the first that fails; exit with its exit code.

    The last one takes this process's place, so that it gets the signals and can stop its machine.
    """
    try:
        commands = _commands(name, _proof())
    except UsageError as error:
        print(f"acceptance: {error}", file=sys.stderr)
        sys.exit(2)
    environment = _environment(os.environ)
    os.chdir(TOP)
    *first, last = commands
    for command in first:
        code = subprocess.run(command, env=environment, check=False).returncode
        if code:
            sys.exit(code)
    os.execvpe(last[0], last, environment)  # noqa: S606 # a list, without a shell


def _commands(name: str, proof: Proof) -> list[Command]:
    suite = (SUITES | BENCHES).get(name)
    if not suite:
        raise UsageError(f"SUITE={name} is not known; known: {', '.join(SUITES)}")
    return suite(proof)


def _proof() -> Proof:
    system = settings.system()
    bases = sorted(Path("build/base", system).glob("*/root"))
    return Proof(os.environ, inspection.folder(), system, names.image(), bases)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of the commands."""
    environment = dict(given)
    if "DISRUPT" not in given and given.get("TARGET") == "vagrant":
        environment["DISRUPT"] = "1"
    # Make passes its command line on, but SUITE is not for a make that a suite starts.
    environment["MAKEFLAGS"] = re.sub(r"(^| )SUITE=\S*", "", given.get("MAKEFLAGS", ""))
    return environment


def _make(*arguments: str) -> Command:
    return ["make", "--no-print-directory", *arguments]


def _prerequisites(*packages: str) -> Command:
    return ["packer/prerequisites.sh", *packages]


if __name__ == "__main__":
    main(*sys.argv[1:])
