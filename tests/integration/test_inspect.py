"""`make inspect`: what it prints, and what it refuses."""

import shutil
from pathlib import Path

import inspection
import payload
import pytest
from inspection import InspectionError
from laurel.schema import BAKED

UV = """#!/bin/sh
echo "$*" >>"$CALLS"
cat "$ANSWER" >&2
test ! -s "$ANSWER"
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what uv answers; an empty file means that the requirements can be met."""
    program, answer = tmp_path / "uv", tmp_path / "answer"
    program.write_text(UV)
    program.chmod(0o755)
    answer.touch()
    monkeypatch.setattr(payload, "UV", program)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("ANSWER", str(answer))
    for name in ("OS", "APP", *BAKED):
        monkeypatch.delenv(name, raising=False)
    return answer


def inspected(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setenv("APP", str(project))
    code = inspection.main()
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.usefixtures("uv")
def test_inspection_shows_each_finding_with_its_place(
    top: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = inspected(top / "tests/projects/deep_root", monkeypatch, capsys)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["DJANGO_ROOT", "backend/src", "backend/src/manage.py"] in lines
    assert any(line[:1] == ["ALLOWED_HOSTS"] for line in lines)
    assert out.rstrip().endswith("`make image APP=tests/projects/deep_root`")


@pytest.mark.usefixtures("uv")
def test_each_problem_is_one_line(
    top: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = top / "tests/projects/refused/memory_layer"
    code, _, err = inspected(refused, monkeypatch, capsys)
    assert code == 1
    assert err.startswith("inspect: garden/settings.py, line ")
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("uv")
def test_laurel_env_overrides_what_is_found(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = shutil.copytree(top / "tests/projects/refused/memory_layer", tmp_path / "project")
    (project / "laurel.env").write_text("PROCESSES=1\n")
    code, out, _ = inspected(project, monkeypatch, capsys)
    assert code == 0
    assert ["PROCESSES", "1", "laurel.env,", "line", "1"] in [
        line.split() for line in out.splitlines()
    ]


def test_unsolvable_requirements_are_refused(
    uv: Path, top: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uv.write_text("No solution found\n")
    code, _, err = inspected(top / "tests/projects/long_poll", monkeypatch, capsys)
    assert code == 1
    assert err == (
        "inspect: requirements.txt can't be installed for Python 3.13:\n"
        "inspect: No solution found\n"
    )


def test_package_without_a_wheel_is_noted(
    uv: Path, top: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uv.write_text("  x Failed to build `psycopg2==2.9.10`\n")
    code, out, err = inspected(top / "tests/projects/source_build", monkeypatch, capsys)
    assert (code, err) == (0, "")
    assert "\nrequirements.txt: psycopg2==2.9.10 has no wheel for Python 3.13 " in out
    uv.write_text("")
    assert "has no wheel" not in inspected(top / "tests/projects/long_poll", monkeypatch, capsys)[1]


def test_inspection_uses_the_systems_python(
    uv: Path, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS", "debian-12")
    monkeypatch.setenv("APP", str(top / "tests/projects/long_poll"))
    assert inspection.main() == 0
    assert "--python-version 3.11" in (uv.parent / "calls").read_text()
    monkeypatch.setenv("SITE_PYTHON", "3.12")
    assert inspection.main() == 0
    assert "--python-version 3.12" in (uv.parent / "calls").read_text()


def test_inspection_uses_the_python_of_laurel_env(
    uv: Path, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(top / "tests/projects/long_poll", tmp_path / "project")
    monkeypatch.setenv("APP", str(project))
    (project / "requirements.txt").write_text(
        "channels==3.0.5\nchannels-redis==3.4.1\ndjango==3.2.25\n"
    )
    assert inspection.main() == 1
    (project / "laurel.env").write_text('PROCESSES=2\nSITE_PYTHON="3.10"\n')
    assert inspection.main() == 0
    assert "--python-version 3.10" in (uv.parent / "calls").read_text()
    monkeypatch.setenv("SITE_PYTHON", "system")
    assert inspection.main() == 1


def test_other_locks_are_converted_for_uv(uv: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pipfile.lock").write_text(
        '{"default": {"django": {"version": "==5.2", "hashes": []}}}'
    )
    inspection.refuse_unresolvable(project, "Pipfile.lock", "3.13")
    assert "requirements.txt" in (uv.parent / "calls").read_text()
    (project / "Pipfile.lock").write_text('{"default": {"ours": {"path": "./ours"}}}')
    with pytest.raises(InspectionError):
        inspection.refuse_unresolvable(project, "Pipfile.lock", "3.13")
