"""Options, the choice of checks, and what every check gets: a machine at one of the stages."""

import html
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra.host
from acceptance import cloud_init, inside
from acceptance.choice import fits
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
    Lifecycle,
    remarks,
)
from acceptance.web import Browser
from machine import Host, Machine, MachineError, RemoteHost
from machine.vagrant import vagrant_host

DISK_GIB = 8  # larger than the image: the root must grow
HOSTNAME = "proof"  # in the meta-data of our machine
TOP = Path(__file__).resolve().parents[2]
GIVEN = pytest.StashKey[dict[str, str]]()
_written: list[pytest.Item] = []  # all checks, also those for other settings

# Markers of checks that do not run on a host reached by SSH, with the reason.
NOT_ON_A_HOST = {
    "hypervisor": "needs the hypervisor",
    "sealed": "holds for a sealed image only: a provisioned machine keeps it",
}
# The same, unless DISRUPT=1.
NOT_UNASKED = {
    "disruptive": "kills, restarts or writes: only with DISRUPT=1",
    "new_workers": "makes nginx start new workers: only with DISRUPT=1",
    "writes": "leaves messages or a user on the site: only with DISRUPT=1",
    "after_restart": "the host is restarted only with DISRUPT=1",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("laurel", "what to test")
    group.addoption("--image", type=Path, help="disk image to boot; it is only read")
    group.addoption("--vagrant", action="store_true", help="the machine of vagrant/Vagrantfile")
    group.addoption("--host", help="a running host, as user@address[:port]")
    group.addoption("--key", type=Path, help="private key for --host")
    group.addoption("--url", help="the site on --host, if not http://address")
    group.addoption(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the machine other than the default; an image gets it as user-data."
        " It selects the checks",
    )


def pytest_configure(config: pytest.Config) -> None:
    for name, text in {
        "once": "no restart can change the result; first stage only",
        "after_restart": "needs a stage before it",
        "disruptive": "kills, restarts or writes; last in its stage",
        "new_workers": "makes nginx start new workers",
        "writes": "leaves messages or a user on the site",
        "own": "of one project only",
        "short": "of the short run, for settings other than the default",
        "where": "only with these settings: where(NAME=value)",
        "unless": "not with these settings: unless(NAME=value)",
        **NOT_ON_A_HOST,
    }.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    try:
        config.stash[GIVEN] = given(config.getoption("--setting"))
    except ValueError as error:
        raise pytest.UsageError(f"--setting: {error}") from None


def _given(config: pytest.Config) -> dict[str, str]:
    return config.stash[GIVEN]


def _expected(config: pytest.Config) -> dict[str, str]:
    """The settings that the checks are selected by."""
    return {**DEFAULTS, **_given(config)}


def pytest_report_header(config: pytest.Config) -> str:
    said = " ".join(f"{name}={value}" for name, value in _given(config).items())
    return f"settings: {said or 'none given'}"


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Collector,
) -> Generator[None, object, object]:
    made = yield
    if not isinstance(made, list):
        return made
    _written.extend(made)
    return [item for item in made if fits(item, _expected(collector.config))]


def _check_settings(config: pytest.Config, machine: Host) -> None:
    """Raise AssertionError if the checks were selected for settings that the machine lacks."""
    actual, expected = settings_of(machine), _expected(config)
    wrong = {name for name, value in _given(config).items() if actual.get(name) != value}
    # Only settings that would select other checks: hypercorn has the same checks as daphne.
    if any(fits(item, expected) != fits(item, actual) for item in _written):
        wrong |= {name for name, value in expected.items() if actual.get(name) != value}
    told = ", ".join(f"{name}={actual.get(name, '(unknown)')}" for name in sorted(wrong))
    assert not wrong, (
        f"checks selected for other settings; the machine has {told}: give them as SET"
    )


def _may_disrupt() -> bool:
    return bool(os.environ.get("DISRUPT"))


def _stages(config: pytest.Config) -> tuple[str, ...]:
    if config.getoption("--image"):
        short = config.getoption("markexpr").startswith("short")
        return tuple(stage for stage in STAGES if not short or stage != AFTER_POWER_CUT)
    return (AS_FOUND, AFTER_REBOOT) if _may_disrupt() else (AS_FOUND,)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "lifecycle" not in metafunc.fixturenames:
        return
    stages = _stages(metafunc.config)
    if metafunc.definition.get_closest_marker("once"):
        stages = stages[:1]
    elif metafunc.definition.get_closest_marker("after_restart"):
        stages = stages[1:]
    metafunc.parametrize("lifecycle", stages, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    stages = _stages(config)
    if not config.getoption("--image"):
        _deselect_for_host(config, items)

    def place(item: pytest.Item) -> tuple[int, bool]:
        callspec = getattr(item, "callspec", None)
        stage = callspec.params.get("lifecycle") if callspec else None
        return (
            stages.index(stage) if stage else 0,
            item.get_closest_marker("disruptive") is not None,
        )

    items.sort(key=place)


def _deselect_for_host(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the checks that a running host can't take, and report which and why."""
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
    """The image under test."""
    image: Path = pytestconfig.getoption("--image")
    if not image.is_file():
        pytest.exit(f"no image at {image}: run `make image` first", returncode=4)
    return image


@pytest.fixture(scope="session")
def whole_lifecycle(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[Lifecycle]:
    """The one machine that goes through all stages; see `lifecycle`."""

    def check(machine: Host) -> None:
        _check_settings(pytestconfig, machine)

    if not pytestconfig.getoption("--image"):
        try:
            host = _host(pytestconfig)
            host.wait_for_ssh(FOUND_SECONDS)
        except MachineError as error:
            pytest.exit(f"nothing to check: {error}", returncode=4)
        with host:
            yield Lifecycle(host, _stages(pytestconfig), check)
        return
    with Machine(
        request.getfixturevalue("image"),
        name="acceptance",
        disk_gib=DISK_GIB,
        hostname=HOSTNAME,
        extra_user_data=cloud_init.user_data(_given(pytestconfig)),
        **HARDWARE[FIRST_BOOT]._asdict(),
    ) as machine:
        yield Lifecycle(machine, _stages(pytestconfig), check, hostname=HOSTNAME)
        _timings.update(machine.timings)


@pytest.fixture
def lifecycle(whole_lifecycle: Lifecycle, request: pytest.FixtureRequest) -> Lifecycle:
    """The machine's lifecycle, at this check's stage."""
    whole_lifecycle.enter(request.param)
    return whole_lifecycle


@pytest.fixture
def stage(lifecycle: Lifecycle) -> str:
    return lifecycle.stage


@pytest.fixture
def machine(lifecycle: Lifecycle) -> Host:
    """The machine, up and serving."""
    return lifecycle.machine


@pytest.fixture
def virtual_machine(machine: Host) -> Machine:
    """The machine, for checks that need its hypervisor."""
    assert isinstance(machine, Machine), "this check needs the hypervisor"
    return machine


@pytest.fixture
def host(machine: Host) -> testinfra.host.Host:
    """The machine, for testinfra."""
    return machine.host


@pytest.fixture
def health_path(lifecycle: Lifecycle) -> str:
    return lifecycle.health_path


@pytest.fixture
def settings(lifecycle: Lifecycle) -> dict[str, str]:
    """The machine's settings by name."""
    return lifecycle.settings


@pytest.fixture
def healthy_status(machine: Host, health_path: str) -> int:
    """The status with which a process itself, past nginx, answers `health_path`."""
    first, *_ = processes(machine)
    status = inside.ask(machine, health_path, socket=first.socket).status
    assert status < 400
    return status


@pytest.fixture
def paths(health_path: str, healthy_status: int, settings: dict[str, str]) -> dict[str, int]:
    """At least one path that each server answers, with the status."""
    # With HTTP_SERVER set, the ASGI server may answer the health path.
    own = {} if settings["HTTP_SERVER"] == "same" else {"/no-such-page-of-the-proof": 404}
    return {health_path: healthy_status, **own}


@pytest.fixture
def browser(machine: Host) -> Browser:
    """A visitor without cookies."""
    return Browser(machine.url)


# The report

_timings: dict[str, float] = {}
_measured: list[str] = []


@pytest.fixture
def measure(request: pytest.FixtureRequest, record_property: Any) -> Callable[[str, float], None]:
    """Records seconds for the report: measure("back after", seconds)."""

    def record(what: str, seconds: float) -> None:
        record_property(what, round(seconds, 1))
        _measured.append(f"{seconds:7.1f} s  {what}  ({request.node.name})")

    return record


def _figures() -> list[str]:
    timings = [f"{seconds:7.1f} s  {what}" for what, seconds in _timings.items()]
    return [*timings, *_measured]


def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    lines = [pytest_report_header(session.config), *_figures(), *remarks]
    prefix.extend(f"<pre>{html.escape(line)}</pre>" for line in lines)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for title, lines in (("measured", _figures()), ("remarks", remarks)):
        if lines:
            terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


def pytest_html_report_title(report: Any) -> None:
    report.title = "Laurel: acceptance"
