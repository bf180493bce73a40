"""The digest that tells whether an image must be baked again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import sources


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project that is in no git repository."""
    folder = tmp_path / "project"
    (folder / "chat").mkdir(parents=True)
    (folder / "manage.py").write_text("#!/usr/bin/env python\n")
    (folder / "chat" / "views.py").write_text("# views\n")
    return folder


@pytest.fixture
def repository(project: Path) -> Path:
    """The same project, tracked by git but for its last file, with some files ignored."""
    git(project, "init", "-q")
    (project / ".gitignore").write_text("*.sqlite3\n/.env\n")
    git(project, "add", ".")
    (project / "untracked.py").write_text("# new\n")
    (project / "db.sqlite3").write_text("data")
    (project / ".env").write_text("SECRET_KEY=x\n")
    return project


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sources.files(folder)]


def test_the_same_files_have_the_same_digest_wherever_they_lie(
    project: Path, tmp_path: Path
) -> None:
    before = sources.digest([project])
    copy = tmp_path / "elsewhere" / project.name
    shutil.copytree(project, copy)
    assert sources.digest([copy]) == before
    assert len(before) == 64


def test_times_do_not_count(project: Path) -> None:
    before = sources.digest([project])
    os.utime(project / "manage.py", (1, 1))
    (project / "empty folder").mkdir()
    assert sources.digest([project]) == before


def change_content(project: Path) -> None:
    (project / "manage.py").write_text("#!/usr/bin/env python3\n")


def change_mode(project: Path) -> None:
    (project / "manage.py").chmod(0o755)


def rename(project: Path) -> None:
    (project / "chat" / "views.py").rename(project / "chat" / "pages.py")


def move(project: Path) -> None:
    (project / "chat" / "views.py").rename(project / "views.py")


def add(project: Path) -> None:
    (project / "empty").touch()


def remove(project: Path) -> None:
    (project / "chat" / "views.py").unlink()


@pytest.mark.parametrize(
    "change", [change_content, change_mode, rename, move, add, remove], ids=lambda f: f.__name__
)
def test_a_change_changes_the_digest(project: Path, change: object) -> None:
    (project / "manage.py").chmod(0o644)
    before = sources.digest([project])
    assert callable(change)
    change(project)
    assert sources.digest([project]) != before


def test_texts_count_and_so_does_where_one_ends(project: Path) -> None:
    digests = {
        sources.digest([project]),
        sources.digest([project], "a", "b"),
        sources.digest([project], "ab", ""),
        sources.digest([project], "b", "a"),
    }
    assert len(digests) == 4


def test_a_single_file_may_stand_for_a_folder(project: Path) -> None:
    before = sources.digest([project / "manage.py"])
    change_content(project)
    assert sources.digest([project / "manage.py"]) != before


def test_what_git_ignores_is_left_out(repository: Path) -> None:
    assert names(repository) == [".gitignore", "chat/views.py", "manage.py", "untracked.py"]


def test_what_git_ignores_does_not_count(repository: Path) -> None:
    before = sources.digest([repository])
    (repository / "db.sqlite3").write_text("other data")
    assert sources.digest([repository]) == before
    (repository / "untracked.py").write_text("# changed\n")
    assert sources.digest([repository]) != before


def test_a_file_that_was_removed_and_is_still_tracked_is_left_out(repository: Path) -> None:
    (repository / "chat" / "views.py").unlink()
    assert "chat/views.py" not in names(repository)


def test_without_git_caches_are_left_out(project: Path) -> None:
    for folder in ("__pycache__", "chat/__pycache__", ".venv/bin", "node_modules/x", ".git"):
        (project / folder).mkdir(parents=True)
        (project / folder / "file").touch()
    assert names(project) == ["chat/views.py", "manage.py"]


def test_a_project_that_a_repository_around_it_ignores_is_not_empty(project: Path) -> None:
    git(project.parent, "init", "-q")
    (project.parent / ".gitignore").write_text("*\n")
    assert "manage.py" in names(project)
