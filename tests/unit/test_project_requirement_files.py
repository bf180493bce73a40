"""The files that decide what is installed, and so name the virtualenv."""

from pathlib import Path

import pytest
from project import requirements


def sources(root: Path, name: str) -> list[str]:
    found = requirements.sources(root, root / name)
    return [str(path.relative_to(root)) for path in found]


def test_included_files_and_constraints_count_and_no_other_text(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "\ufeff-r requirements/prod.txt\n--constraint=pins.txt\n-r ../out.txt",
        "requirements/prod.txt": "-rbase.in\n-r missing.txt\n-e ../ours[redis]\n",
        "requirements/base.in": "django\n-r prod.txt\n-c https://example.com/pins.txt\n",
        "requirements/dev.txt": "pytest\n",
        "pins.txt": "django==5.2\n# caf\udce9\n",
        "robots.txt": "User-agent: *\n",
        "ours/pyproject.toml": "",
    }
    root = tmp_path / "project"
    (root / "requirements").mkdir(parents=True)
    (root / "ours").mkdir()
    (tmp_path / "out.txt").touch()
    for name, text in files.items():
        (root / name).write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / "link").symlink_to("project")
    root = tmp_path / "link"
    expected = [
        "ours/pyproject.toml",
        "pins.txt",
        "requirements/base.in",
        "requirements/prod.txt",
        "requirements.txt",
    ]
    assert sources(root, "requirements.txt") == expected


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "Pipfile.lock"])
def test_lock_counts_with_the_files_it_was_made_from(tmp_path: Path, name: str) -> None:
    for file in (name, "pyproject.toml", "Pipfile", "other.lock", "robots.txt"):
        (tmp_path / file).touch()
    assert sorted(sources(tmp_path, name)) == sorted([name, "pyproject.toml", "Pipfile"])


def test_pyproject_counts_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("-r other.toml\n")
    (tmp_path / "other.toml").touch()
    assert sources(tmp_path, "pyproject.toml") == ["pyproject.toml"]
