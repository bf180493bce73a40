"""`make inspect`: what it prints, and what it refuses."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import inspection
import payload
import pytest
from inspection import InspectionError
from laurel.schema import BAKED

Inspect = Callable[[str | Path], tuple[int, str, str]]
UV = """#!/bin/sh
echo "$*" >>"${0%/*}/calls"
cat "${0%/*}/answer" >&2
test ! -s "${0%/*}/answer"
"""


@pytest.fixture
def inspect(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inspect:
    """Inspects a project, and returns the exit code and what is printed.

    tmp_path/answer is what uv answers; empty means that the requirements can be met.
    """
    uv = tmp_path / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    (tmp_path / "answer").touch()
    monkeypatch.setattr(payload, "UV", uv)
    for name in ("OS", *BAKED):
        monkeypatch.delenv(name, raising=False)

    def inspect(project: str | Path) -> tuple[int, str, str]:
        monkeypatch.setenv("APP", str(top / "tests/projects" / project))
        code = inspection.main()
        return (code, *capsys.readouterr())

    return inspect


def test_inspection_shows_each_finding_with_its_place(inspect: Inspect) -> None:
    code, out, err = inspect("deep_root")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["DJANGO_ROOT", "backend/src", "backend/src/manage.py"] in lines
    assert any(line[:1] == ["ALLOWED_HOSTS"] for line in lines)
    assert out.rstrip().endswith("`make image APP=tests/projects/deep_root`")


def test_problem_is_one_line_unless_laurel_env_overrides_it(
    inspect: Inspect, top: Path, tmp_path: Path
) -> None:
    project = shutil.copytree(top / "tests/projects/refused/memory_layer", tmp_path / "project")
    code, _, err = inspect(project)
    assert code == 1
    assert re.fullmatch(r"inspect: garden/settings.py, line .*\n", err)
    (project / "laurel.env").write_text("PROCESSES=1\n")
    code, out, _ = inspect(project)
    assert code == 0
    assert re.search(r"PROCESSES +1 +laurel.env, line 1\n", out)


def test_unsolvable_requirements_are_refused(inspect: Inspect, tmp_path: Path) -> None:
    (tmp_path / "answer").write_text("No solution found\n")
    code, _, err = inspect("long_poll")
    assert code == 1
    assert err == (
        "inspect: requirements.txt can't be installed for Python 3.13:\n"
        "inspect: No solution found\n"
    )


def test_package_without_a_wheel_is_noted(inspect: Inspect, tmp_path: Path) -> None:
    (tmp_path / "answer").write_text("  x Failed to build `psycopg2==2.9.10`\n")
    code, out, err = inspect("source_build")
    assert (code, err) == (0, "")
    assert "\nrequirements.txt: psycopg2==2.9.10 has no wheel for Python 3.13 " in out


def test_requirements_are_checked_for_the_python_of_the_site(
    inspect: Inspect, plain_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS", "debian-12")
    assert inspect(plain_project)[0] == 0
    assert "--python-version 3.11" in (tmp_path / "calls").read_text()
    monkeypatch.setenv("OS", "debian-13")
    (plain_project / "requirements.txt").write_text(
        "channels==3.0.5\nchannels-redis==3.4.1\ndjango==3.2.25\n"
    )
    assert inspect(plain_project)[0] == 1
    (plain_project / "laurel.env").write_text('SITE_PYTHON="3.10"\n')
    assert inspect(plain_project)[0] == 0
    assert "--python-version 3.10" in (tmp_path / "calls").read_text()


@pytest.mark.usefixtures("inspect")
def test_other_locks_are_converted_for_uv(tmp_path: Path) -> None:
    lock = tmp_path / "Pipfile.lock"
    lock.write_text('{"default": {"django": {"version": "==5.2", "hashes": []}}}')
    inspection.refuse_unresolvable(tmp_path, lock.name, "3.13")
    assert (tmp_path / "calls").read_text().endswith("/requirements.txt\n")
    lock.write_text('{"default": {"ours": {"path": "./ours"}}}')
    with pytest.raises(InspectionError):
        inspection.refuse_unresolvable(tmp_path, lock.name, "3.13")
