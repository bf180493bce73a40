"""Which file of a project names its requirements, and which requirements are refused."""

from pathlib import Path

import pytest
from project import requirements
from project.examination import examine
from project.tree import InspectionError, Tree

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


def add(file: Path, text: str) -> None:
    """Add `text` to the file, which may be new."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n{text}\n")


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
    assert examine(project, {}, "3.13").settings["REQUIREMENTS"] == taken


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
        ({"requirements.txt": "-r ../x.txt"}, "requirements.txt, line 2 includes ", ""),
    ],
)
def test_unusable_requirements_are_refused(
    project: Path, files: dict[str, str], start: str, end: str
) -> None:
    (project / "README.txt").write_bytes(b"channels\ncaf\xe9\n")
    write(project, files)
    (problem,) = examine(project, {}, "3.13").errors
    assert problem.startswith(start)
    assert problem.endswith(end)


# Versions


def test_python_that_the_project_does_not_want_is_refused(top: Path) -> None:
    (problem,) = examine(top / "tests/projects/uv_lock", {}, "3.9").errors
    assert problem.startswith("pyproject.toml, line ")
    assert "the machine has 3.9: choose another system with OS=, or" in problem


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
def test_versions_of_python_are_compared(
    project: Path, wanted: str, suits: str, does_not_suit: str
) -> None:
    file = project / "pyproject.toml"
    file.write_text(f'[project]\nrequires-python = "{wanted}"\ndependencies = ["channels"]\n')
    assert requirements.wants_other_python(Tree(project), file, suits) == ""
    assert requirements.wants_other_python(Tree(project), file, does_not_suit)


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
    assert requirements.requirements(lock) == (
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
    assert requirements.requirements(lock) == (
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
        with pytest.raises(InspectionError, match="ours comes from git, not from a package index"):
            requirements.requirements(tmp_path / name)
