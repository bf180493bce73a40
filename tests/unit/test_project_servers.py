"""What inspection says of the chosen servers and the Procfile's processes."""

from pathlib import Path

import pytest
from project.inspection import inspect
from unit.inspected import add, notes, problems, settled


@pytest.mark.parametrize(
    ("setting", "server", "version", "since"),
    [
        ("ASGI_SERVER", "granian", "==2.5.7", "2.6"),
        ("ASGI_SERVER", "uvicorn", "[standard]<0.22", "0.22"),
        ("ASGI_SERVER", "granian", "~=2.5", None),
        ("HTTP_SERVER", "gunicorn", "==20.1.0", None),
    ],
)
def test_server_without_laurels_options_is_refused(
    plain_project: Path, setting: str, server: str, version: str, since: str | None
) -> None:
    add(plain_project / "requirements.txt", server + version)
    found = problems(plain_project, {setting: server})
    assert len(found) == (since is not None)
    assert all(f": {server}" in one and f"came with {since}: require" in one for one in found)
    assert problems(plain_project) == []  # another server serves


def test_servers_that_laurel_adds_are_noted(plain_project: Path) -> None:
    given = {"ASGI_SERVER": "granian", "HTTP_SERVER": "gunicorn"}
    text = " is not in the requirements: Laurel installs its newest version"
    assert not [one for one in notes(plain_project) if text in one]  # it requires daphne
    assert [one for one in notes(plain_project, given) if text in one] == [
        f"granian{text}",
        f"gunicorn{text}",
    ]


# Procfiles


def test_procfile_names_processes_and_release_command(plain_project: Path) -> None:
    usual = "python manage.py migrate --noinput"
    assert settled(plain_project)["RELEASE_COMMAND"][0] == usual
    given = {"PROCFILE": "Procfile.ours"}
    assert problems(plain_project, given)[0].startswith("PROCFILE=Procfile.ours: ")
    (plain_project / "Procfile").write_text("worker: celery\n")
    assert inspect(plain_project, {}).processes == {"worker": "celery"}
    (plain_project / "Procfile.ours").write_text("beat: celery beat\nrelease: make db\n")
    assert inspect(plain_project, given).processes == {"beat": "celery beat"}
    assert settled(plain_project, given)["RELEASE_COMMAND"][0] == "make db"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("worker: a\nworker: c", "Procfile, line 2: "),
        ("asgi: daphne", "Procfile: the site's own processes are called `asgi`"),
    ],
)
def test_process_names_are_unique(plain_project: Path, lines: str, problem: str) -> None:
    (plain_project / "Procfile").write_text(lines)
    assert problems(plain_project)[0].startswith(problem)


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("cd src && exec env/bin/gunicorn rooms.wsgi", "gunicorn"),
        ("python manage.py runserver 0.0.0.0:$PORT", "runserver"),
        ("python manage.py runworker thumbs", None),
        ("celery -A gunicorn.app worker", None),
    ],
)
@pytest.mark.parametrize(("web", "advice"), [("", "call it `web`"), ("web: x\n", "set PROCFILE")])
def test_second_server_is_noted(
    plain_project: Path, command: str, server: str | None, web: str, advice: str
) -> None:
    (plain_project / "Procfile").write_text(f"{web}socket: {command}\n")
    assert problems(plain_project) == []
    found = [one for one in notes(plain_project) if one.startswith("Procfile, line ")]
    assert len(found) == (server is not None)
    assert all(f"`{server}`" in one and advice in one for one in found)
