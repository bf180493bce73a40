"""Which settings a project names for itself, and whether ours can come before them."""

from pathlib import Path

import pytest
from project.inspection import inspect
from unit.inspected import problems

OFFERED = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rooms.settings")'
ASSIGNED = 'os.environ["DJANGO_SETTINGS_MODULE"] = '


@pytest.fixture(params=["rooms/asgi.py", "manage.py"])
def entry(plain_project: Path, request: pytest.FixtureRequest) -> Path:
    """Each of the files that name the settings."""
    return plain_project / str(request.param)


def replace(file: Path, lines: str) -> None:
    """Put `lines` where `file` offers its settings."""
    before = file.read_text()
    assert OFFERED in before
    indent = "    " if file.name == "manage.py" else ""
    file.write_text(before.replace(OFFERED, lines.replace("\n", f"\n{indent}")))


@pytest.mark.parametrize(
    "value",
    [
        'os.environ.get("DJANGO_SETTINGS_MODULE", "rooms.settings")',
        'os.getenv("DJANGO_SETTINGS_MODULE", "rooms.settings")',
        'os.environ.get("DJANGO_SETTINGS_MODULE") or "rooms.settings"',
    ],
)
def test_settings_that_the_environment_may_choose_are_ours_to_choose(
    plain_project: Path, entry: Path, value: str
) -> None:
    replace(entry, ASSIGNED + value)
    assert problems(plain_project) == []
    assert inspect(plain_project, {}).findings.value("SETTINGS_MODULE") == "rooms.settings"


@pytest.mark.parametrize(
    "lines",
    [
        f'{OFFERED}\nif "test" in sys.argv:\n    {ASSIGNED}"rooms.test"',
        f'{OFFERED}\ndef testing():\n    {ASSIGNED}"rooms.test"',
    ],
)
def test_an_assignment_that_tests_alone_reach_is_none(
    plain_project: Path, entry: Path, lines: str
) -> None:
    replace(entry, lines)
    assert problems(plain_project) == []
    assert inspect(plain_project, {}).findings.value("SETTINGS_MODULE") == "rooms.settings"


@pytest.mark.parametrize(
    "lines",
    [
        f'{ASSIGNED}"rooms.settings"',
        f'{ASSIGNED}os.environ.get("S", "rooms.settings")',
        f'if __name__:\n    {ASSIGNED}"rooms.settings"',
        f'if sys:\n    {ASSIGNED}"rooms.settings"\nelse:\n    {ASSIGNED}"rooms.settings"',
        f'try:\n    {ASSIGNED}"rooms.settings"\nfinally:\n    pass',
    ],
)
def test_settings_that_are_assigned_in_any_case_are_refused(
    plain_project: Path, entry: Path, lines: str
) -> None:
    replace(entry, lines)
    found = problems(plain_project)
    assert found
    assert all("assigns DJANGO_SETTINGS_MODULE, whatever" in one for one in found)


@pytest.mark.parametrize("call", ['os.getenv("S", {})', "os.environ.get('S', default={})"])
def test_the_default_of_a_call_names_the_settings(plain_project: Path, call: str) -> None:
    value = call.format('"rooms.settings"')
    offered = f'os.environ.setdefault("DJANGO_SETTINGS_MODULE", {value})'
    for name in ("rooms/asgi.py", "manage.py"):
        replace(plain_project / name, offered)
    found = inspect(plain_project, {}).findings.found
    named = next(one for one in found if one.name == "SETTINGS_MODULE")
    assert (named.value, named.source) == ("rooms.settings", "rooms/asgi.py, line 6")
