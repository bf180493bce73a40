"""`make inspect`: what it prints, and what it refuses."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import inspection
import payload
import pytest
from inspection import InspectionError
from laurel.schema import BAKED

UV = """#!/bin/sh
echo "$*" >>"${0%/*}/calls"
cat "${0%/*}/answer" >&2
test ! -s "${0%/*}/answer"
"""


@dataclass
class Inspect:
    """`make inspect`, with a stand-in for uv in `folder`."""

    top: Path
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def answer(self, text: str) -> None:
        """Set what uv answers; "" means that the requirements can be met."""
        (self.folder / "answer").write_text(text)

    def calls(self) -> str:
        return (self.folder / "calls").read_text()

    def copy(self, project: str) -> Path:
        return shutil.copytree(self.top / "tests/projects" / project, self.folder / "project")

    def __call__(self, project: str | Path) -> tuple[int, str, str]:
        """Return the exit code, and what is printed."""
        os.environ["APP"] = str(self.top / "tests/projects" / project)
        code = inspection.main()
        return (code, *self.capsys.readouterr())


@pytest.fixture
def inspect(
    top: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Inspect:
    uv = tmp_path / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    monkeypatch.setattr(payload, "UV", uv)
    for name in ("OS", *BAKED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APP", "")
    made = Inspect(top, tmp_path, capsys)
    made.answer("")
    return made


def test_inspection_shows_each_finding_with_its_place(inspect: Inspect) -> None:
    code, out, err = inspect("deep_root")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["DJANGO_ROOT", "backend/src", "backend/src/manage.py"] in lines
    assert any(line[:1] == ["ALLOWED_HOSTS"] for line in lines)
    assert out.rstrip().endswith("`make image APP=tests/projects/deep_root`")


def test_problem_is_one_line_unless_laurel_env_overrides_it(inspect: Inspect) -> None:
    project = inspect.copy("refused/memory_layer")
    code, _, err = inspect(project)
    assert code == 1
    assert err.startswith("inspect: garden/settings.py, line ")
    assert len(err.splitlines()) == 1
    (project / "laurel.env").write_text("PROCESSES=1\n")
    code, out, _ = inspect(project)
    assert code == 0
    assert ["PROCESSES", "1", "laurel.env,", "line", "1"] in [
        line.split() for line in out.splitlines()
    ]


def test_unsolvable_requirements_are_refused(inspect: Inspect) -> None:
    inspect.answer("No solution found\n")
    code, _, err = inspect("long_poll")
    assert code == 1
    assert err == (
        "inspect: requirements.txt can't be installed for Python 3.13:\n"
        "inspect: No solution found\n"
    )


def test_package_without_a_wheel_is_noted(inspect: Inspect) -> None:
    inspect.answer("  x Failed to build `psycopg2==2.9.10`\n")
    code, out, err = inspect("source_build")
    assert (code, err) == (0, "")
    assert "\nrequirements.txt: psycopg2==2.9.10 has no wheel for Python 3.13 " in out


def test_requirements_are_checked_for_the_python_of_the_site(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = inspect.copy("long_poll")
    monkeypatch.setenv("OS", "debian-12")
    assert inspect(project)[0] == 0
    assert "--python-version 3.11" in inspect.calls()
    monkeypatch.setenv("OS", "debian-13")
    (project / "requirements.txt").write_text(
        "channels==3.0.5\nchannels-redis==3.4.1\ndjango==3.2.25\n"
    )
    assert inspect(project)[0] == 1
    (project / "laurel.env").write_text('SITE_PYTHON="3.10"\n')
    assert inspect(project)[0] == 0
    assert "--python-version 3.10" in inspect.calls()
    monkeypatch.setenv("SITE_PYTHON", "system")
    assert inspect(project)[0] == 1


def test_other_locks_are_converted_for_uv(inspect: Inspect, tmp_path: Path) -> None:
    lock = tmp_path / "Pipfile.lock"
    lock.write_text('{"default": {"django": {"version": "==5.2", "hashes": []}}}')
    inspection.refuse_unresolvable(tmp_path, lock.name, "3.13")
    assert inspect.calls().endswith("/requirements.txt\n")
    lock.write_text('{"default": {"ours": {"path": "./ours"}}}')
    with pytest.raises(InspectionError):
        inspection.refuse_unresolvable(tmp_path, lock.name, "3.13")
