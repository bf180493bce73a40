"""What the files of a project say, without running it."""

import shutil
from pathlib import Path

import pytest
from project.examination import Examination, examine


def examined(folder: Path, **given: str) -> Examination:
    return examine(folder, given, "3.13")


def test_project_deep_in_its_repository_is_found(top: Path) -> None:
    found = examined(top / "tests/projects/deep_root").found
    expected = {
        "DJANGO_ROOT": "backend/src",
        "SETTINGS_MODULE": "config.settings.production",
        "REQUIREMENTS": "backend/requirements/production.txt",
    }
    assert {name: found.value(name) for name in expected} == expected
    assert str(found.settings["SETTINGS_MODULE"][1]).startswith("backend/src/config/asgi.py, line ")
    assert found.applications == ["config.asgi:application"]


@pytest.mark.parametrize(
    "given",
    [
        *("DJANGO_ROOT=src", "SETTINGS_MODULE=a.b", "REQUIREMENTS=a.txt"),
        *("PROCFILE=Proc", "IMPORT_ROOT=lib"),
    ],
)
def test_unusable_given_setting_is_refused(plain_project: Path, given: str) -> None:
    name, _, value = given.partition("=")
    (problem,) = examined(plain_project, **{name: value}).errors
    assert name in problem
    assert value in problem


@pytest.mark.parametrize("folder", ["venv/site", ".hidden"])
def test_other_peoples_folders_are_not_searched(plain_project: Path, folder: str) -> None:
    (plain_project / folder).mkdir(parents=True)
    shutil.move(plain_project / "manage.py", plain_project / folder)
    (problem,) = examined(plain_project).errors
    assert "has no manage.py" in problem


def test_syntax_of_a_newer_python_is_no_problem(plain_project: Path) -> None:
    for name in ("rooms/settings.py", "rooms/asgi.py"):
        file = plain_project / name
        file.write_text(f"{file.read_text()}\ntype Hosts[T] = list[T]\n")
    assert examined(plain_project).errors == []


def test_asgi_file_that_imports_channels_comes_first(plain_project: Path) -> None:
    (plain_project / "aside").mkdir()
    (plain_project / "aside/asgi.py").write_text("application = get_asgi_application()\n")
    found = examined(plain_project).found
    assert found.applications == ["rooms.asgi:application", "aside.asgi:application"]


def test_problems_of_all_files_come_together(plain_project: Path) -> None:
    (plain_project / "requirements.txt").write_bytes(b"a\n# caf\xe9\n")
    (plain_project / "Procfile").write_text("web: x\nasgi: x\nnonsense\n")
    assert [one.partition(": ")[0] for one in examined(plain_project).errors] == [
        "requirements.txt, line 2",
        "Procfile, line 3",
        "Procfile, line 2",
    ]


@pytest.mark.parametrize("name", ["requirements.txt", "Procfile", "pyproject.toml", "uv.lock"])
def test_file_that_is_not_utf_8_is_refused(plain_project: Path, name: str) -> None:
    (plain_project / name).write_bytes(b"a: b\n# caf\xe9\nc: d\n")
    assert examined(plain_project).errors == [f"{name}, line 2: not UTF-8: save it as UTF-8"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("refused/two_roots", "shop and stock each have a manage.py: "),
        ("refused/channels_1", "requirements.txt, line 3: channels 1.1.8: no maintained server"),
        ("refused/channels_2", "requirements.txt, line 2: channels 2.4.0: no maintained server"),
        ("pipfile", "Pipfile has no lock file beside it: run `pipenv lock`"),
        ("https_redirect", "pyproject.toml has no lock file beside it: run `poetry lock`"),
    ],
)
def test_project_is_refused_for_its_files(top: Path, name: str, text: str) -> None:
    (problem,) = examined(top / "tests/projects" / name).errors
    assert problem.startswith(text)


def test_settings_that_the_command_line_overrides_show_it(plain_project: Path) -> None:
    (plain_project / "laurel.env").write_text("HEALTH_PATH=/a\n")
    found = examined(plain_project, HEALTH_PATH="/b").found
    assert found.settings["HEALTH_PATH"] == ("/b", "the command line")


def test_server_in_the_procfile_is_noted(plain_project: Path) -> None:
    (plain_project / "Procfile").write_text("site: venv/bin/daphne rooms.asgi:application\n")
    (note,) = examined(plain_project).warnings
    assert note.startswith("Procfile: site runs `daphne`, which looks like the site's server.")
