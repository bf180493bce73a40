"""`make inspect`: what it prints, and its exit codes. test_questions.py runs projects."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import inspection
import prepare
import pytest
import report
from laurel.schema import BAKED
from prepare import Plan
from progress import Progress
from run import CommandError

Inspect = Callable[[str | Path], tuple[int, str, str]]


@pytest.fixture
def inspect(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inspect:
    """Inspects a project's files, and returns the exit code and what is printed."""
    monkeypatch.setattr(prepare, "BUILD", tmp_path / "build")
    for name in ("OS", "BASE_IMAGE", "JSON", *BAKED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROBE", "no")

    def inspect(project: str | Path) -> tuple[int, str, str]:
        monkeypatch.setenv("APP", str(top / "tests/projects" / project))
        code = report.main()
        return (code, *capsys.readouterr())

    return inspect


def run_as(monkeypatch: pytest.MonkeyPatch, run: Callable[[Plan], None]) -> None:
    """Let the project run, with `run` instead of layers."""

    def run_project(plan: Plan, _key: str, progress: Progress) -> None:
        progress.step("the project in its virtual environment")
        run(plan)

    monkeypatch.delenv("PROBE")
    monkeypatch.setattr(prepare, "base_key", lambda *_: "0123")
    monkeypatch.setattr(prepare, "run_project", run_project)


def test_inspection_shows_each_finding_with_its_place(inspect: Inspect) -> None:
    code, out, err = inspect("deep_root")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["DJANGO_ROOT", "backend/src", "backend/src/manage.py"] in lines
    assert out.splitlines()[-2] == "Not checked"
    assert out.rstrip().endswith("PROBE=no")


def test_problem_is_one_line_unless_laurel_env_overrides_it(
    inspect: Inspect, top: Path, tmp_path: Path
) -> None:
    project = shutil.copytree(top / "tests/projects/refused/two_roots", tmp_path / "project")
    code, out, err = inspect(project)
    assert (code, err) == (1, "")
    assert re.fullmatch(r"\s*Errors\n  shop and stock each have a manage.py: [^\n]*\n", out)
    (project / "laurel.env").write_text("DJANGO_ROOT=stock\n")
    code, out, _ = inspect(project)
    assert code == 0
    assert re.search(r"DJANGO_ROOT +stock +laurel.env, line 1\n", out)


def test_project_must_suit_the_python_of_the_site(
    inspect: Inspect, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(top / "tests/projects/long_poll", tmp_path / "project")
    (project / "pyproject.toml").write_text('[project]\nrequires-python = "<3.12"\n')
    code, out, _ = inspect(project)
    assert code == 1
    assert "pyproject.toml, line 2: the project wants Python <3.12, and the machine has 3.13" in out
    monkeypatch.setenv("OS", "debian-12")
    assert inspect(project)[0] == 0
    monkeypatch.delenv("OS")
    (project / "laurel.env").write_text('SITE_PYTHON="3.10"\n')
    assert inspect(project)[0] == 0


def test_report_for_programs_is_json_alone(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JSON", "yes")
    code, out, err = inspect("deep_root")
    report = json.loads(out)
    assert (code, err, report["errors"]) == (0, "", [])
    place = {"value": "backend/src", "place": "backend/src/manage.py"}
    assert report["settings"]["DJANGO_ROOT"] == place
    code, out, _ = inspect("refused/two_roots")
    assert code == 1
    (error,) = json.loads(out)["errors"]
    assert error.startswith("shop and stock each have a manage.py: ")


# When the project runs


def test_answers_of_the_project_are_in_the_report(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(plan: Plan) -> None:
        plan.examined.unchecked.clear()
        plan.examined.found.settle("PAGE_PATH", "/lobby/", "urls.py, line 3")

    run_as(monkeypatch, run)
    code, out, err = inspect("long_poll")
    assert code == 0
    assert re.search(r"PAGE_PATH +/lobby/ +urls.py, line 3\n", out)
    assert out.endswith("\nNo problems found: `make image APP=tests/projects/long_poll`\n")
    assert "[1/3  0:00] what the image is made from" in err


def test_errors_of_the_project_are_in_the_report(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(plan: Plan) -> None:
        plan.examined.errors.append("settings.py, line 7: IndexError")
        inspection.refuse(plan.examined)

    run_as(monkeypatch, run)
    code, out, _ = inspect("long_poll")
    assert code == 1
    assert out.count("  settings.py, line 7: IndexError\n") == 1
    assert "No problems found" not in out


def test_failed_step_is_an_error_with_its_last_lines(
    inspect: Inspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_plan: Plan) -> None:
        raise CommandError("layer.sh ended with exit code 1", ["No solution found"], tmp_path)

    run_as(monkeypatch, run)
    code, out, _ = inspect("long_poll")
    assert code == 1
    assert "virtual environment: layer.sh ended with exit code 1\n  No solution found\n" in out


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OS", "plan-9", "OS=plan-9 is not known; known: debian-12, debian-13, ubuntu-24.04"),
        ("INCLUDE", "gone.txt", "INCLUDE=gone.txt: there is no such file in "),
    ],
)
def test_project_that_cannot_be_examined_has_exit_code_2(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(name, value)
    code, out, err = inspect("long_poll")
    assert (code, out) == (2, "")
    assert err.startswith(f"inspect: {why}")


def test_silent_archive_has_exit_code_2(inspect: Inspect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROBE")
    monkeypatch.setattr("base_disk.BaseDisk.index", lambda _: "")
    code, _, err = inspect("long_poll")
    assert code == 2
    assert "inspect: the archive of debian-13 does not answer" in err


def test_base_image_of_the_operator_does_not_replace_the_base_system(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    monkeypatch.delenv("PROBE")
    monkeypatch.setattr("base_disk.BaseDisk.index", lambda _: "0123")
    monkeypatch.setattr(prepare, "run_project", lambda _plan, key, _progress: keys.append(key))
    monkeypatch.setenv("BASE_IMAGE", "https://a/b.qcow2")
    assert inspect("long_poll")[0] == 0
    assert keys == ["0123"]
