"""What every check is given: a machine at one of the stages."""

import html
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra.host
from acceptance.stages import AS_FOUND, FIRST_BOOT, HARDWARE, STAGES, Course, remarks
from acceptance.web import Browser
from machine import Host, Machine, RemoteHost

DISK_GIB = 8  # larger than the image, so that growing shows


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("laurel", "what is put to the proof")
    group.addoption("--image", type=Path, help="disk image to boot; it is only read")
    group.addoption("--host", help="a host that runs, as user@address[:port]")
    group.addoption("--key", type=Path, help="private key for --host")
    group.addoption("--url", help="the site on --host, if not http://address")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "once: nothing that a restart could change; first stage only"
    )
    config.addinivalue_line("markers", "after_restart: only where something came before")
    config.addinivalue_line("markers", "disruptive: kills, restarts or writes; last in its stage")
    config.addinivalue_line("markers", "hypervisor: needs the host that the machine runs on")


def _stages(config: pytest.Config) -> tuple[str, ...]:
    return STAGES if config.getoption("--image") else (AS_FOUND,)


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
    if config.getoption("--image"):
        barred: set[str] = set()
    elif os.environ.get("DISRUPT"):
        barred = {"hypervisor"}
    else:
        barred = {"hypervisor", "disruptive"}
    unfit = [item for item in items if barred & {mark.name for mark in item.iter_markers()}]
    if unfit:
        config.hook.pytest_deselected(items=unfit)
        items[:] = [item for item in items if item not in unfit]

    def place(item: pytest.Item) -> tuple[int, bool]:
        callspec = getattr(item, "callspec", None)
        stage = callspec.params.get("course") if callspec else None
        return (
            stages.index(stage) if stage else 0,
            item.get_closest_marker("disruptive") is not None,
        )

    items.sort(key=place)


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> Path:
    """The image under test."""
    path: Path | None = pytestconfig.getoption("--image")
    assert path, "this check boots a machine of its own: give --image"
    if not path.is_file():
        pytest.exit(f"no image at {path}: run `make image` first", returncode=4)
    return path


@pytest.fixture(scope="session")
def ssh_user(pytestconfig: pytest.Config) -> str:
    """The user that the image's cloud-init makes."""
    path = pytestconfig.getoption("--image")
    return "ubuntu" if path and "ubuntu" in path.name else "debian"


@pytest.fixture(scope="session")
def the_course(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Course]:
    """The one machine that goes through the stages; see `course`."""
    if pytestconfig.getoption("--host"):
        remote = RemoteHost(
            pytestconfig.getoption("--host"),
            key=pytestconfig.getoption("--key"),
            url=pytestconfig.getoption("--url"),
            known_hosts=False,
        )
        with remote:
            yield Course(remote)
        return
    with Machine(
        request.getfixturevalue("image"),
        name="acceptance",
        disk_gib=DISK_GIB,
        ssh_user=request.getfixturevalue("ssh_user"),
        hostname="proof",
        **HARDWARE[FIRST_BOOT]._asdict(),
    ) as machine:
        yield Course(machine)
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
    return [*timings, *_measured, *remarks]


def pytest_html_results_summary(prefix: list[str]) -> None:
    prefix.extend(f"<pre>{html.escape(line)}</pre>" for line in _figures())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = _figures()
    if lines:
        terminalreporter.section("measured")
    for line in lines:
        terminalreporter.write_line(line)


def pytest_html_report_title(report: Any) -> None:
    report.title = "Laurel: acceptance"
