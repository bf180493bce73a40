"""Which file of a project names its requirements, and which requirements are refused."""

from pathlib import Path

import pytest
from project.findings import dependencies
from project.findings.dependencies import DependencyError
from project.findings.versions import allows_from, runs_on, specifiers
from project.inspection import inspect
from unit.inspected import add, problems, settled

CHANNELS = "channels==4.3.2\n"
SETUPTOOLS = (
    '[project]\nname = "rooms"\ndynamic = ["dependencies"]\n\n'
    "[tool.setuptools.dynamic]\ndependencies = {file = FILE}\n"
)


@pytest.fixture
def project(plain_project: Path) -> Path:
    """A project without requirements."""
    (plain_project / "requirements.txt").unlink()
    return plain_project


def write(project: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        add(project / name, content)


@pytest.mark.parametrize(
    ("taken", "files"),
    [
        ("requirements/common.txt", {"requirements/dev.txt": "-r common.txt"}),
        ("requirements/prod.txt", {"requirements/common.txt": "redis"}),
        ("requirements/our.txt", {"requirements/dev-our.txt": CHANNELS, "robots.txt": "a: b"}),
        ("deploy/pip.txt", {"pyproject.toml": SETUPTOOLS.replace("FILE", '["deploy/pip.txt"]')}),
    ],
)
def test_requirements_for_production_are_found(
    project: Path, taken: str, files: dict[str, str]
) -> None:
    write(project, {taken: CHANNELS, **files})
    assert settled(project)["REQUIREMENTS"][0] == taken
    assert set(inspect(project, {}).packages) == {"channels"}


@pytest.mark.parametrize(
    ("files", "start", "end"),
    [
        ({}, "nothing says what to install: no uv.lock, ", "or REQUIREMENTS=file to laurel.env"),
        (
            {"requirements/a.txt": CHANNELS, "requirements/b.txt": CHANNELS},
            "nothing says what to install: no uv.lock, ",
            "channels is in requirements/a.txt, requirements/b.txt: add the file for production to"
            " laurel.env, such as REQUIREMENTS=requirements/a.txt",
        ),
        ({"requirements.txt": "-r ../x.txt"}, "requirements.txt, line 2 includes ../x.txt, ", ""),
        ({"Pipfile.lock": "<<<<<<< HEAD"}, "Pipfile.lock is not a valid Pipfile.lock", ""),
    ],
)
def test_unusable_requirements_are_refused(
    project: Path, files: dict[str, str], start: str, end: str
) -> None:
    (project / "README.txt").write_bytes(b"channels\ncaf\xe9\n")
    write(project, files)
    (problem,) = problems(project)
    assert problem.startswith(start)
    assert problem.endswith(end)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("Channels[daphne] == 4.3.2 ; python_version > '3'  # why", "==4.3.2"),
        ("\ufeffchannels==4.3.2 --hash=sha256:aa \\", "==4.3.2"),
        ("channels @ https://host/channels.whl", ""),
        ("channels>=4.*", ""),
    ],
)
def test_every_form_of_requirement_is_read(project: Path, line: str, version: str) -> None:
    (project / "requirements.txt").write_text(f"{line}\n-e .\ngit+https://host/x.git\n")
    ((name, package),) = inspect(project, {}).packages.items()
    assert (name, str(package.specifiers), package.place.line) == ("channels", version, 1)


# Versions


def test_python_that_the_project_does_not_want_is_refused(top: Path) -> None:
    (problem,) = problems(top / "tests/projects/uv_lock", python="3.9")
    assert problem.startswith("pyproject.toml, line ")
    assert "the machine has 3.9: choose another system with OS=, or" in problem


@pytest.mark.parametrize(
    ("django", "python", "is_refused"),
    [
        ("Django==3.2.25", "3.13", True),
        ("Django==3.2.25\nlegacy-cgi", "3.13", False),
        ("Django==3.2.25", "3.12", False),
        ("Django>=3.2", "3.13", False),
    ],
)
def test_django_that_needs_cgi_is_refused(
    project: Path, django: str, python: str, is_refused: bool
) -> None:
    add(project / "requirements.txt", f"channels==3.0.5\nchannels-redis==3.4.1\n{django}")
    found = problems(project, python=python)
    assert len(found) == is_refused
    for problem in found:
        assert problem.startswith("requirements.txt, line 4: django==3.2.25: ")
        assert "the machine has 3.13: choose OS=debian-12, or" in problem


@pytest.mark.parametrize(
    ("allowed", "has_later"),
    [
        *((text, False) for text in ("==4.0.*", "~=3.2.0", ">=3.2,<4.1.0", "<= 4.0.7")),
        *((text, True) for text in ("==4.*", "~=4.0", ">3", "<=4.1", "!=4.1.*", ">4.1,<4.2")),
        *((text, True) for text in ("", "===4.1.3", "==5.0rc1", "latest")),
    ],
)
def test_specifiers_may_allow_a_later_version(allowed: str, has_later: bool) -> None:
    assert allows_from(specifiers(allowed), "4.1") is has_later


@pytest.mark.parametrize(
    ("wanted", "suits", "does_not_suit"),
    [
        (">=3.10,<3.13", "3.12", "3.13"),
        ("^3.10", "3.13", "4.0"),
        ("~3.11", "3.11", "3.13"),
        ("3.12", "3.12", "3.13"),
        (">=3.12.5,!=3.13.*", "3.12", "3.13"),
        ("<3.11 || >=3.13", "3.13", "3.12"),
        (">= 3.8 <3.12", "3.11", "3.12"),
    ],
)
def test_versions_of_python_are_compared(wanted: str, suits: str, does_not_suit: str) -> None:
    assert runs_on(wanted, suits)
    assert not runs_on(wanted, does_not_suit)


# Lock files of other tools, as requirements

POETRY = """
[[package]]
name = "{name}"
version = "1.0"
{group}
files = [{{file = "x.whl", hash = "sha256:aa"}}]
{more}
"""


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


@pytest.mark.parametrize(
    ("main", "dev"), [("", ""), ('groups = ["main"]', 'groups = ["dev"]')], ids=["1", "2"]
)
def test_poetry_lock_becomes_requirements_of_production(
    tmp_path: Path, main: str, dev: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry.dependencies]\npython = "^3.10"\nDjango = "^5.2"\n'
        '[tool.poetry.group.dev.dependencies]\npytest = "^8"\n'
    )
    needs = '[package.dependencies]\nasgiref = ">=3.8"'
    packages = (("django", main, needs), ("asgiref", main, ""), ("pytest", dev, ""))
    lock = tmp_path / "poetry.lock"
    for name, group, more in packages:
        add(lock, POETRY.format(name=name, group=group, more=more))
    assert dependencies.requirements(lock) == (
        "asgiref==1.0 \\\n    --hash=sha256:aa\ndjango==1.0 \\\n    --hash=sha256:aa\n"
    )


def test_locked_package_from_a_repository_is_refused(tmp_path: Path) -> None:
    source = '[package.source]\ntype = "git"'
    texts = {
        "Pipfile.lock": '{"default": {"ours": {"git": "https://host/ours.git"}}}',
        "poetry.lock": POETRY.format(name="ours", group='groups = ["main"]', more=source),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(DependencyError, match="ours comes from git, not from a package index"):
            dependencies.requirements(tmp_path / name)
