"""What every check is given: a machine at one of the stages."""

import html
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra.host
from acceptance import cloud_init, inside
from acceptance.choice import fits, misjudged
from acceptance.processes import processes
from acceptance.settings import DEFAULTS, given, settings_of
from acceptance.stages import (
    AFTER_POWER_CUT,
    AFTER_REBOOT,
    AS_FOUND,
    FIRST_BOOT,
    FOUND_SECONDS,
    HARDWARE,
    STAGES,
    Course,
    after_boot,
    remarks,
)
from acceptance.web import Browser
from machine import Host, Machine, MachineError, RemoteHost
from machine.vagrant import vagrant_host

DISK_GIB = 8  # larger than the image, so that growing shows
HOSTNAME = "proof"  # in the meta-data of a machine of ours
TOP = Path(__file__).resolve().parents[2]
GIVEN = pytest.StashKey[dict[str, str]]()
_written: list[pytest.Item] = []  # every check, of whatever machine

# Markers, with why a check that bears one does not run on a host that is reached by SSH alone.
NOT_ON_A_HOST = {
    "hypervisor": "needs the hypervisor",
    "sealed": "holds of an image alone: a machine that is provisioned keeps it",
}
NOT_UNASKED = {
    "disruptive": "kills, restarts or writes: only with DISRUPT=1",
    "new_workers": "has nginx start new workers: only with DISRUPT=1",
    "writes": "leaves messages or a user on the site: only with DISRUPT=1",
    "after_restart": "the host is restarted only with DISRUPT=1",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("laurel", "what is put to the proof")
    group.addoption("--image", type=Path, help="disk image to boot; it is only read")
    group.addoption("--vagrant", action="store_true", help="the machine of vagrant/Vagrantfile")
    group.addoption("--host", help="a host that runs, as user@address[:port]")
    group.addoption("--key", type=Path, help="private key for --host")
    group.addoption("--url", help="the site on --host, if not http://address")
    group.addoption(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the machine is set to, if not the default; a machine of ours is told at its"
        " first boot. It chooses the checks",
    )


def pytest_configure(config: pytest.Config) -> None:
    for name, text in {
        "once": "nothing that a restart could change; first stage only",
        "after_restart": "only where something came before",
        "disruptive": "kills, restarts or writes; last in its stage",
        "new_workers": "has nginx start new workers",
        "writes": "leaves messages or a user on the site",
        "own": "of one project alone",
        "short": "of the short run, which a value that is not the default is put to",
        "where": "only where settings are so: where(NAME=value)",
        "unless": "not where settings are so: unless(NAME=value)",
        **NOT_ON_A_HOST,
    }.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    try:
        config.stash[GIVEN] = given(config.getoption("--setting"))
    except ValueError as error:
        raise pytest.UsageError(f"--setting: {error}") from None


def _given(config: pytest.Config) -> dict[str, str]:
    """What --setting says, by name."""
    return config.stash[GIVEN]


def _supposed(config: pytest.Config) -> dict[str, str]:
    """The settings that choose the checks."""
    return {**DEFAULTS, **_given(config)}


def _told(config: pytest.Config) -> str:
    said = " ".join(f"{name}={value}" for name, value in _given(config).items())
    return f"settings: {said or 'none given'}"


def pytest_report_header(config: pytest.Config) -> str:
    """What the machine is set to."""
    return _told(config)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Collector,
) -> Generator[None, object, object]:
    """Of the checks, make those that the settings choose."""
    made = yield
    if not isinstance(made, list):
        return made
    _written.extend(made)
    return [item for item in made if fits(item, _supposed(collector.config))]


def _see_settings(config: pytest.Config, machine: Host) -> None:
    """Raise AssertionError if the machine is not the one that the checks were chosen for."""
    true = settings_of(machine)
    others = {
        name: true.get(name, "(none of that name)")
        for name, value in _given(config).items()
        if true.get(name) != value
    } | misjudged(_written, _supposed(config), true)
    told = ", ".join(f"{name}={value}" for name, value in others.items())
    assert not others, f"these are not this machine's checks, it has {told}: say so with SET"


def _may_disrupt() -> bool:
    return bool(os.environ.get("DISRUPT"))


def _stages(config: pytest.Config) -> tuple[str, ...]:
    if config.getoption("--image"):
        short = config.getoption("markexpr").startswith("short")
        return tuple(stage for stage in STAGES if not short or stage != AFTER_POWER_CUT)
    return (AS_FOUND, AFTER_REBOOT) if _may_disrupt() else (AS_FOUND,)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "course" not in metafunc.fixturenames:
        return
    stages = _stages(metafunc.config)
    if metafunc.definition.get_closest_marker("once"):
        stages = stages[:1]
    elif metafunc.definition.get_closest_marker("after_restart"):
        stages = stages[1:]
    metafunc.parametrize("course", stages, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    stages = _stages(config)
    if not config.getoption("--image"):
        _leave_out(config, items)

    def place(item: pytest.Item) -> tuple[int, bool]:
        callspec = getattr(item, "callspec", None)
        stage = callspec.params.get("course") if callspec else None
        return (
            stages.index(stage) if stage else 0,
            item.get_closest_marker("disruptive") is not None,
        )

    items.sort(key=place)


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of `items`, leave those that a host is fit for, and remark on the others."""
    reasons = NOT_ON_A_HOST if _may_disrupt() else {**NOT_ON_A_HOST, **NOT_UNASKED}
    unfit: dict[str, list[pytest.Item]] = {}
    for item in items:
        marker = next((name for name in reasons if item.get_closest_marker(name)), None)
        if marker:
            unfit.setdefault(marker, []).append(item)
    left_out = [item for found in unfit.values() for item in found]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    remarks.append(f"not checked: the stage {AFTER_POWER_CUT}: {NOT_ON_A_HOST['hypervisor']}")
    if not _may_disrupt():
        remarks.append(f"not checked: the stage {AFTER_REBOOT}: {NOT_UNASKED['after_restart']}")
    for marker, found in unfit.items():
        names = {item.name.partition("[")[0] for item in found}
        remarks.extend(f"not checked: {name}: {reasons[marker]}" for name in sorted(names))


def _host(config: pytest.Config) -> RemoteHost:
    """The host that the options name."""
    if config.getoption("--vagrant"):
        return vagrant_host(TOP / "vagrant")
    target = config.getoption("--host")
    if not target:
        pytest.exit("name what to check: --image, --vagrant or --host", returncode=4)
    return RemoteHost(
        target, key=config.getoption("--key"), url=config.getoption("--url"), known_hosts=False
    )


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> Path:
    """The image that is put to the proof."""
    image: Path = pytestconfig.getoption("--image")
    if not image.is_file():
        pytest.exit(f"no image at {image}: run `make image` first", returncode=4)
    return image


@pytest.fixture(scope="session")
def the_course(pytestconfig: pytest.Config) -> Iterator[Course]:
    """The one machine that goes through the stages; see `course`."""
    after_boot.insert(0, lambda machine, _stage: _see_settings(pytestconfig, machine))
    image: Path | None = pytestconfig.getoption("--image")
    if not image:
        try:
            host = _host(pytestconfig)
            host.wait_for_ssh(FOUND_SECONDS)
        except MachineError as error:
            pytest.exit(f"nothing to check: {error}", returncode=4)
        with host:
            yield Course(host, _stages(pytestconfig))
        return
    if not image.is_file():
        pytest.exit(f"no image at {image}: run `make image` first", returncode=4)
    with Machine(
        image,
        name="acceptance",
        disk_gib=DISK_GIB,
        hostname=HOSTNAME,
        extra_user_data=cloud_init.user_data(_given(pytestconfig)),
        **HARDWARE[FIRST_BOOT]._asdict(),
    ) as machine:
        yield Course(machine, _stages(pytestconfig), hostname=HOSTNAME)
        _timings.update(machine.timings)


@pytest.fixture
def course(the_course: Course, request: pytest.FixtureRequest) -> Course:
    """The machine's way so far, at the stage that this check names."""
    the_course.enter(request.param)
    return the_course


@pytest.fixture
def stage(course: Course) -> str:
    """The stage that the machine is at."""
    return course.stage


@pytest.fixture
def machine(course: Course) -> Host:
    """The machine, up and serving."""
    return course.machine


@pytest.fixture
def virtual_machine(machine: Host) -> Machine:
    """The machine, where the check needs its hypervisor."""
    assert isinstance(machine, Machine), "this check needs the hypervisor"
    return machine


@pytest.fixture
def host(machine: Host) -> testinfra.host.Host:
    """The machine's facts."""
    return machine.host


@pytest.fixture
def health_path(course: Course) -> str:
    """What a healthy process answers."""
    return course.health_path


@pytest.fixture
def settings(course: Course) -> dict[str, str]:
    """What the machine is set to, by name."""
    return course.settings


@pytest.fixture
def well(machine: Host, health_path: str) -> int:
    """The status with which a process itself, past nginx, answers `health_path`."""
    first, *_ = processes(machine)
    status = inside.ask(machine, health_path, socket=first.socket).status
    assert status < 400
    return status


@pytest.fixture
def paths(health_path: str, well: int, settings: dict[str, str]) -> dict[str, int]:
    """What visitors may ask for, each with the status of its answer: every server has one."""
    # With a server of its own for plain HTTP, the health path may be the ASGI server's.
    own = {} if settings["HTTP_SERVER"] == "same" else {"/no-such-page-of-the-proof": 404}
    return {health_path: well, **own}


@pytest.fixture
def browser(machine: Host) -> Browser:
    """A visitor without a past."""
    return Browser(machine.url)


# The report

_timings: dict[str, float] = {}
_measured: list[str] = []


@pytest.fixture
def measure(request: pytest.FixtureRequest, record_property: Any) -> Any:
    """Records a figure for the report: measure("back after", seconds)."""

    def record(what: str, seconds: float) -> None:
        record_property(what, round(seconds, 1))
        _measured.append(f"{seconds:7.1f} s  {what}  ({request.node.name})")

    return record


def _figures() -> list[str]:
    timings = [f"{seconds:7.1f} s  {what}" for what, seconds in _timings.items()]
    return [*timings, *_measured]


def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    lines = [_told(session.config), *_figures(), *remarks]
    prefix.extend(f"<pre>{html.escape(line)}</pre>" for line in lines)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for title, lines in (("measured", _figures()), ("remarks", remarks)):
        if lines:
            terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


def pytest_html_report_title(report: Any) -> None:
    report.title = "Laurel: acceptance"
