"""What is found in a project by reading it, and what is refused before anything is built."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project import __main__, checks, overrides
from project.checks import procfile
from project.findings import dependencies
from project.findings.dependencies import DependencyError
from project.findings.project import Project
from project.inspection import inspect
from project.source.tree import InspectionError

Edit = Callable[[str, str], Path]


@pytest.fixture
def projects(top: Path) -> Path:
    return top / "tests" / "projects"


@pytest.fixture
def project(projects: Path, tmp_path: Path) -> Path:
    """A copy of a plain project that may be edited."""
    return shutil.copytree(projects / "long_poll", tmp_path / "project")


@pytest.fixture
def edit(project: Path) -> Edit:
    """Replaces the text of a file of the project, which must be there, and gives the file."""

    def replace(name: str, change: str) -> Path:
        file = project / name
        before, after = change.split(" => ")
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))
        return file

    return replace


def problems(folder: Path, given: dict[str, str] | None = None, python: str = "3.13") -> list[str]:
    given = given or {}
    return list(checks.problems(inspect(folder, given), given, python))


def sources(found: Project) -> dict[str, str]:
    return {one.name: one.source for one in found.findings.found}


# What is found


def test_a_project_deep_in_its_repository_is_found_whole(projects: Path) -> None:
    found = inspect(projects / "deep_root", {})
    expected = {
        "DJANGO_ROOT": "backend/src",
        "SETTINGS_MODULE": "config.settings.production",
        "ASGI_APPLICATION": "config.asgi:application",
        "WSGI_APPLICATION": "config.wsgi:application",
        "REQUIREMENTS": "backend/requirements/production.txt",
        "STATIC_URL": "/assets/",
        "MEDIA_URL": "/media/",
        "WEBSOCKET_PATH": "/ws/board/",
    }
    assert {name: found.findings.value(name) for name in expected} == expected
    assert sources(found)["SETTINGS_MODULE"].startswith("backend/src/config/asgi.py, line ")


def test_a_procfile_names_the_processes_and_the_release_command(projects: Path) -> None:
    found = inspect(projects / "procfile_worker", {})
    assert found.processes == {"worker": "python manage.py runworker thumbnails"}
    assert found.findings.value("RELEASE_COMMAND").startswith(
        "python manage.py migrate --noinput && "
    )


def test_a_procfile_that_is_given_and_not_there_is_refused(projects: Path) -> None:
    with pytest.raises(InspectionError, match=r"^PROCFILE=Procfile\.ours: there is no such file"):
        inspect(projects / "procfile_worker", {"PROCFILE": "Procfile.ours"})


def test_the_procfile_that_is_given_is_the_one_that_is_read(project: Path) -> None:
    (project / "Procfile").write_text("worker: celery\n")
    (project / "Procfile.ours").write_text("beat: celery beat\nrelease: make db\n")
    found = inspect(project, {"PROCFILE": "Procfile.ours"})
    assert found.processes == {"beat": "celery beat"}
    assert found.findings.value("RELEASE_COMMAND") == "make db"


def test_a_name_that_a_procfile_has_twice_is_refused_with_both_lines(project: Path) -> None:
    (project / "Procfile").write_text("worker: a\n\nbeat: b\nworker: c\n")
    with pytest.raises(InspectionError, match=r"^Procfile, line 4: line 1 has .*`worker`"):
        inspect(project, {})


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("daphne rooms.asgi:application --port $PORT -b 0.0.0.0", "daphne"),
        ("cd src && exec env/bin/gunicorn rooms.wsgi", "gunicorn"),
        ("python -m uvicorn rooms.asgi:application", "uvicorn"),
        ("python manage.py runserver 0.0.0.0:$PORT", "runserver"),
        ("python manage.py runworker thumbs", None),
        ("celery -A gunicorn.app worker", None),
    ],
)
def test_a_server_under_another_name_than_web_is_told(
    project: Path, command: str, server: str | None
) -> None:
    file = project / "Procfile"
    file.write_text(f"release: true\nsocket: {command}\n")
    assert problems(project) == []
    told = list(procfile.notes(inspect(project, {}).tree, "Procfile"))
    if server is None:
        assert told == []
        return
    assert told == [
        f"Procfile, line 2: `{server}` looks like the site's server, which Laurel runs itself:"
        " socket is started beside it; call it `web` to leave it out"
    ]
    file.write_text(f"web: {command}\nsocket: {command}\n")
    (told_beside_web,) = procfile.notes(inspect(project, {}).tree, "Procfile")
    assert "PROCFILE=file" in told_beside_web


def test_the_report_tells_what_the_procfile_starts_beside_the_site(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "Procfile").write_text("socket: daphne rooms.asgi:application\n")
    monkeypatch.setattr("sys.argv", ["project", "report", str(project)])
    assert __main__.main() == 0
    assert "  Procfile, line 1: `daphne` looks like" in capsys.readouterr().out


def test_without_a_procfile_the_release_command_migrates(projects: Path) -> None:
    assert inspect(projects / "long_poll", {}).findings.value("RELEASE_COMMAND") == (
        "python manage.py migrate --noinput"
    )


def test_a_parameter_of_a_path_becomes_a_sample(projects: Path) -> None:
    assert (
        inspect(projects / "long_poll", {}).findings.value("WEBSOCKET_PATH") == "/ws/room/laurel/"
    )


def test_what_is_given_is_not_searched_for(project: Path) -> None:
    (project / "laurel.env").write_text("# ours\nHEALTH_PATH=/slow/\n")
    found = inspect(project, {"HEALTH_PATH": "/slow/", "PROCESSES": "2"})
    assert found.findings.value("HEALTH_PATH") == "/slow/"
    assert sources(found)["HEALTH_PATH"] == "laurel.env, line 2"
    assert sources(found)["PROCESSES"] == "the command line"


def test_another_projects_manage_py_in_a_virtual_environment_is_none(project: Path) -> None:
    other = project / "venv" / "site"
    other.mkdir(parents=True)
    shutil.move(project / "manage.py", other / "manage.py")
    with pytest.raises(InspectionError, match=r"has no manage\.py"):
        inspect(project, {})


def test_a_setting_is_the_last_that_is_assigned(edit: Edit, project: Path) -> None:
    settings = edit("rooms/settings.py", "STATIC_URL => STATIC_URL")
    settings.write_text(settings.read_text() + '\nSTATIC_URL = "files/"\n')
    assert inspect(project, {}).findings.value("STATIC_URL") == "/files/"


def test_the_asgi_py_that_sets_channels_up_goes_before_another(edit: Edit, project: Path) -> None:
    settings = edit("rooms/settings.py", "ASGI_APPLICATION => OLD_APPLICATION")
    other = project / "aside" / "asgi.py"
    other.parent.mkdir()
    other.write_text(
        "import os\nfrom django.core.asgi import get_asgi_application\n"
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rooms.settings")\n'
        "application = get_asgi_application()\n"
    )
    assert settings.is_file()
    assert inspect(project, {}).findings.value("ASGI_APPLICATION") == "rooms.asgi:application"


def test_a_project_needs_no_wsgi_application(edit: Edit, project: Path) -> None:
    assert inspect(project, {}).findings.value("WSGI_APPLICATION") == ""
    settings = edit("rooms/settings.py", "STATIC_URL => STATIC_URL")
    settings.write_text(settings.read_text() + '\nWSGI_APPLICATION = "rooms.wsgi.application"\n')
    assert inspect(project, {}).findings.value("WSGI_APPLICATION") == ""
    (project / "rooms" / "wsgi.py").write_text("application = get_wsgi_application()\n")
    assert inspect(project, {}).findings.value("WSGI_APPLICATION") == "rooms.wsgi:application"


# What is refused, each by the project that is wrong in just this


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "no_asgi",
            r"^no asgi\.py, and bakery.settings has no ASGI_APPLICATION.* Add bakery/asgi\.py",
        ),
        ("channels_1", r"^requirements\.txt, line \d+: channels==1\.1\.8: Channels 1 and 2 "),
        ("channels_2", r"^requirements\.txt, line \d+: channels==2\.4\.0: Channels 1 and 2 "),
        ("two_roots", r"^shop and stock each have a manage\.py: .*DJANGO_ROOT=shop$"),
    ],
)
def test_a_project_with_nothing_to_serve_is_refused(projects: Path, name: str, text: str) -> None:
    with pytest.raises(InspectionError, match=text):
        inspect(projects / "refused" / name, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hard_settings", r"^ferry/asgi\.py, line \d+ assigns DJANGO_SETTINGS_MODULE.*setdefault"),
        ("memory_layer", r"^garden/settings\.py, line \d+: CHANNEL_LAYERS is .*PROCESSES=1"),
        (
            "models_before_setup",
            r"^office/asgi\.py, line 4 imports chat\.routing, which imports chat\.consumers, which"
            r" imports chat\.models, before line 11 .*Move line 4 below line 11$",
        ),
        (
            "no_migrations",
            r"^recipes/models\.py has models and no migrations: .*makemigrations recipes",
        ),
        (
            "placeholder_database",
            r"^library/settings\.py, line \d+: .*your-db-host\.example\.com is a placeholder:"
            r".*export DATABASE_URL=",
        ),
        (
            "placeholder_redis",
            r"^chess/settings\.py, line \d+: the Redis host redis\.example\.com ",
        ),
        (
            "settings_fail",
            r"^theatre/settings\.py, line \d+ needs PAYMENT_API_KEY .*export PAYMENT_API_KEY=",
        ),
    ],
)
def test_a_project_that_would_not_serve_is_refused_for_that_alone(
    projects: Path, name: str, text: str
) -> None:
    found = problems(projects / "refused" / name)
    assert len(found) == 1, found
    assert re.search(text, found[0]), found[0]


@pytest.mark.parametrize(
    "name", ["deep_root", "long_poll", "procfile_worker", "source_build", "uv_lock"]
)
def test_a_project_that_serves_is_not_refused(projects: Path, name: str) -> None:
    assert problems(projects / name) == []


def test_our_own_site_is_not_refused(top: Path) -> None:
    assert problems(top / "app") == []


def test_one_process_may_have_its_layer_in_memory(projects: Path) -> None:
    assert problems(projects / "refused" / "memory_layer", {"PROCESSES": "1"}) == []


def test_a_variable_that_laurel_env_exports_is_not_missed(projects: Path) -> None:
    given = {"PAYMENT_API_KEY": "x"}
    assert problems(projects / "refused" / "settings_fail", given) == []


def test_a_database_that_is_given_takes_the_place_of_a_placeholder(projects: Path) -> None:
    given = {"DATABASE_URL": "postgres://site@db.internal/site"}
    assert problems(projects / "refused" / "placeholder_database", given) == []


def test_a_layer_that_a_condition_may_choose_is_enough(edit: Edit, project: Path) -> None:
    settings = edit("rooms/settings.py", "CHANNEL_LAYERS => CHANNEL_LAYERS")
    settings.write_text(
        settings.read_text()
        + 'if DEBUG:\n    CHANNEL_LAYERS = {"default": {"BACKEND":'
        + ' "channels.layers.InMemoryChannelLayer"}}\n'
    )
    assert problems(project) == []
    settings.write_text(settings.read_text().replace("if DEBUG:\n    ", ""))
    assert len(problems(project)) == 1


def test_a_file_that_is_not_python_is_named(edit: Edit, project: Path) -> None:
    edit("rooms/settings.py", "DEBUG = True => DEBUG = = True")
    with pytest.raises(SyntaxError) as raised:
        inspect(project, {})
    assert raised.value.filename == "rooms/settings.py"


def test_a_version_of_python_that_the_system_has_not_is_refused(projects: Path) -> None:
    found = problems(projects / "uv_lock", python="3.9")
    assert len(found) == 1
    assert found[0].startswith("pyproject.toml, line ")
    assert "the machine has 3.9" in found[0]
    assert "SITE_PYTHON=" in found[0]


@pytest.mark.parametrize(
    ("django", "python", "is_refused"),
    [
        ("==3.2.25", "3.13", True),
        ("==4.0.10", "3.14", True),
        ("==4.0.*", "3.13", True),
        ("==3.*", "3.13", True),
        ("~=3.2.0", "3.13", True),
        (">=3.2,<4.1.0", "3.13", True),
        ("<= 4.0.7", "3.13", True),
        ("==3.2.25", "3.12", False),
        ("==3.2.25", "", False),
        ("==4.1", "3.13", False),
        ("==4.*", "3.13", False),
        ("~=4.0", "3.13", False),
        (">=3.2", "3.13", False),
        (">=3.2,<5", "3.13", False),
        ("<=4.1", "3.13", False),
        ("!=4.0.*", "3.13", False),
        ("", "3.13", False),
    ],
)
def test_a_django_that_the_python_is_too_new_for_is_refused(
    project: Path, django: str, python: str, is_refused: bool
) -> None:
    requirements = project / "requirements.txt"
    requirements.write_text(f"channels==3.0.5\nchannels-redis==3.4.1\nDjango{django}\n")
    found = problems(project, python=python)
    assert len(found) == is_refused
    if is_refused:
        assert found[0].startswith(f"requirements.txt, line 3: django{django}: ")
        assert f"the machine has {python}: choose OS=debian-12, or" in found[0]
    requirements.write_text(requirements.read_text() + "legacy-cgi\n")
    assert problems(project, python=python) == []


def test_a_pipfile_or_poetry_without_its_lock_is_refused(projects: Path) -> None:
    for name, command in (("pipfile", "pipenv lock"), ("https_redirect", "poetry lock")):
        with pytest.raises(DependencyError, match=f"run `{command}`"):
            inspect(projects / name, {})


def test_a_project_without_requirements_is_refused(project: Path) -> None:
    (project / "requirements.txt").unlink()
    with pytest.raises(DependencyError, match="nothing says what to install"):
        inspect(project, {})


# Files as other systems save them


def test_a_mark_of_utf_8_hides_no_first_line(project: Path) -> None:
    (project / "requirements.txt").write_text("\ufeffchannels==2.4.0\r\nredis\r\n", newline="")
    with pytest.raises(InspectionError, match=r"^requirements\.txt, line 1: channels==2\.4\.0"):
        inspect(project, {})


def test_a_procfile_of_windows_is_read(project: Path) -> None:
    (project / "Procfile").write_text("\ufeffworker: celery\r\n\r\nbeat: celery beat\r\n")
    assert inspect(project, {}).processes == {"worker": "celery", "beat": "celery beat"}


@pytest.mark.parametrize("name", ["requirements.txt", "Procfile", "pyproject.toml", "laurel.env"])
@pytest.mark.parametrize(
    ("content", "line"),
    [("channels\n".encode("utf-16"), 1), (b"a: b\n# caf\xe9\nc: d\n", 2)],
    ids=["utf-16", "latin-1"],
)
def test_a_file_that_is_not_utf_8_is_named_with_the_line(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, line: int
) -> None:
    (project / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["project", "report", str(project)])
        assert __main__.main() == 1
    assert capsys.readouterr().err == f"{name}, line {line}: not UTF-8: save it as UTF-8\n"


@pytest.mark.parametrize("name", ["Pipfile.lock", "poetry.lock"])
def test_a_lock_that_is_not_utf_8_becomes_no_requirements(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\n\xff")
    with pytest.raises(InspectionError, match=f"^{re.escape(name)}, line 2: not UTF-8"):
        dependencies.requirements(tmp_path / name)


# Where requirements may stand


def required(project: Path, **contents: str) -> str:
    """REQUIREMENTS of `project` with just these files in its folder requirements/."""
    (project / "requirements.txt").unlink(missing_ok=True)
    folder = project / "requirements"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name.replace('_', '-')}.txt").write_text(content)
    return inspect(project, {}).findings.value("REQUIREMENTS")


def test_settings_in_a_class_are_refused(edit: Edit, project: Path) -> None:
    file = edit("rooms/settings.py", "STATIC_URL => STATIC_URL")
    file.write_text(f"from configurations import Configuration\n{file.read_text()}")
    (told,) = problems(project)
    assert told.startswith("rooms/settings.py, line 1: the settings are in a class")


def test_a_file_that_is_included_from_outside_is_refused_with_its_line(project: Path) -> None:
    (project.parent / "common.txt").write_text("channels==4.3.2\n")
    (project / "requirements.txt").write_text("# ours\n-r ../common.txt\n")
    with pytest.raises(
        DependencyError, match=r"requirements.txt, line 2 includes \.\./common\.txt"
    ):
        inspect(project, {})


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n", "[]", "{}"])
def test_a_pipfile_lock_that_is_none_is_refused(project: Path, text: str) -> None:
    (project / "Pipfile").write_text("")
    (project / "Pipfile.lock").write_text(text)
    with pytest.raises(DependencyError, match=r"Pipfile\.lock is no lock file of Pipenv's"):
        inspect(project, {})


def test_common_requirements_are_taken_where_none_are_of_production(project: Path) -> None:
    common = "channels==4.3.2\n"
    assert required(project, common=common, dev="-r common.txt") == "requirements/common.txt"
    assert required(project, common=common, prod="-r common.txt") == "requirements/prod.txt"


def test_the_one_file_of_requirements_that_names_channels_is_taken(project: Path) -> None:
    named = "Channels[daphne] >= 4\n"
    taken = "requirements/project-requirements.txt"
    assert required(project, project_requirements=named, notes="channels of sale\n") == taken
    assert required(project, project_requirements=named, dev="-r project-requirements.txt") == taken
    for also in ("dev_requirements", "local", "test"):
        assert required(project, project_requirements=named, **{also: "channels\n"}) == taken


def test_of_several_files_with_channels_none_is_guessed_and_all_are_told(project: Path) -> None:
    deep = project / "deploy" / "pip.txt"
    deep.parent.mkdir()
    deep.write_text("channels==4.3.2\n")
    (project / "README.txt").write_bytes(b"channels\ncaf\xe9\n")
    told = (
        r"channels is in deploy/pip\.txt, requirements/a\.txt, requirements/b\.txt: .*"
        r"REQUIREMENTS=deploy/pip\.txt$"
    )
    with pytest.raises(DependencyError, match=told):
        required(project, a="channels\n", b="-r a.txt\ngunicorn\n")


DYNAMIC = """\
[project]
name = "rooms"
dynamic = ["version", "dependencies"]

[tool.setuptools.dynamic]
dependencies = {{file = {file}}}
"""


@pytest.mark.parametrize("file", ['["deploy/pip.txt"]', '"deploy/pip.txt"'])
def test_the_file_that_setuptools_takes_the_dependencies_from_is_taken(
    project: Path, file: str
) -> None:
    (project / "requirements.txt").unlink()
    (project / "pyproject.toml").write_text(DYNAMIC.format(file=file))
    with pytest.raises(DependencyError, match=r"^pyproject\.toml, line 5 .* which is not there$"):
        inspect(project, {})
    (project / "deploy").mkdir()
    (project / "deploy" / "pip.txt").write_text("channels==4.3.2\n")
    found = inspect(project, {})
    assert found.findings.value("REQUIREMENTS") == "deploy/pip.txt"
    assert set(found.packages) == {"channels"}


def test_of_several_files_that_setuptools_reads_one_must_be_made(project: Path) -> None:
    (project / "requirements.txt").unlink()
    (project / "pyproject.toml").write_text(DYNAMIC.format(file='["a.txt", "b.txt"]'))
    with pytest.raises(DependencyError, match=r"a\.txt and b\.txt: make one file"):
        inspect(project, {})


# What will be others on the machine


def test_settings_that_change_are_told_with_their_place(projects: Path) -> None:
    found = inspect(projects / "deep_root", {})
    told = {name: place for name, _, place in overrides.overrides(found, {})}
    assert told["DATABASES"].startswith("backend/src/config/settings/base.py, line ")
    assert "SECURE_SSL_REDIRECT" not in told


def test_redirects_to_https_are_told_unless_tls_is_in_front(projects: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(projects / "https_redirect", tmp_path / "project")
    (folder / "requirements.txt").write_text("channels==4.3.2\n")
    found = inspect(folder, {})
    for given, is_told in (({}, True), ({"TLS_IN_FRONT": "yes"}, False)):
        names = {name for name, _, _ in overrides.overrides(found, given)}
        assert ("SECURE_SSL_REDIRECT" in names) is is_told


# Lock files of other tools, as requirements


def test_pipfile_lock_becomes_requirements_with_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "Pipfile.lock"
    lock.write_text(
        '{"default": {"django": {"version": "==5.2.1", "hashes": ["sha256:aa", "sha256:bb"],'
        ' "markers": "python_version >= \'3.10\'"}, "uvicorn": {"version": "==0.30", "extras":'
        ' ["standard"], "hashes": ["sha256:cc"]}}, "develop": {"pytest": {"version": "==8"}}}'
    )
    assert dependencies.requirements(lock) == (
        "django==5.2.1 ; python_version >= '3.10' \\\n"
        "    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "uvicorn[standard]==0.30 \\\n    --hash=sha256:cc\n"
    )


def test_a_package_of_pipfile_lock_from_elsewhere_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "Pipfile.lock"
    lock.write_text('{"default": {"ours": {"git": "https://host/ours.git", "ref": "1"}}}')
    with pytest.raises(DependencyError, match="ours has no version from an index"):
        dependencies.requirements(lock)


POETRY = """
[[package]]
name = "django"
version = "5.2.1"
{groups}
files = [{{file = "d.whl", hash = "sha256:aa"}}]

[package.dependencies]
asgiref = ">=3.8"

[[package]]
name = "asgiref"
version = "3.9.0"
{groups}
files = [{{file = "a.whl", hash = "sha256:bb"}}]

[[package]]
name = "pytest"
version = "8.0"
{dev}
files = [{{file = "p.whl", hash = "sha256:cc"}}]
"""


@pytest.mark.parametrize(
    ("groups", "dev"), [("", ""), ('groups = ["main"]', 'groups = ["dev"]')], ids=["1", "2"]
)
def test_poetry_lock_becomes_requirements_of_production(
    tmp_path: Path, groups: str, dev: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry.dependencies]\npython = "^3.10"\nDjango = "^5.2"\n'
        '[tool.poetry.group.dev.dependencies]\npytest = "^8"\n'
    )
    lock = tmp_path / "poetry.lock"
    lock.write_text(POETRY.format(groups=groups, dev=dev))
    assert dependencies.requirements(lock) == (
        "asgiref==3.9.0 \\\n    --hash=sha256:bb\ndjango==5.2.1 \\\n    --hash=sha256:aa\n"
    )


@pytest.mark.parametrize(
    ("wanted", "version", "runs"),
    [
        (">=3.10", "3.13", True),
        (">=3.10,<3.13", "3.13", False),
        ("^3.10", "3.13", True),
        ("^3.10", "4.0", False),
        ("~3.11", "3.13", False),
        ("~=3.10", "3.13", True),
        ("==3.12.*", "3.13", False),
        ("==3.13", "3.13", True),
        ("==3.13.5", "3.13", True),
        ("!=3.13.*", "3.13", False),
        (">=3.9,!=3.13.1", "3.13", True),
        ("<3.11 || >=3.13", "3.13", True),
        (">=3.8 <3.12", "3.13", False),
        (">=3.8 <3.12", "3.11", True),
        (">= 3.8, < 3.12", "3.13", False),
        (">=3.8 , <3.12", "3.11", True),
    ],
)
def test_versions_of_python(wanted: str, version: str, runs: bool) -> None:
    assert dependencies.runs_on(wanted, version) is runs
