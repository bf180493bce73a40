"""The files of a project, and the digest that decides whether its image is current."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sources


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project without git."""
    folder = tmp_path / "project"
    (folder / "chat").mkdir(parents=True)
    (folder / "manage.py").write_text("#!/usr/bin/env python\n")
    (folder / "chat" / "views.py").write_text("# views\n")
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sources.files(folder)]


def test_times_and_place_do_not_change_the_digest(project: Path, tmp_path: Path) -> None:
    before = sources.digest([project])
    copy = shutil.copytree(project, tmp_path / "elsewhere" / project.name)
    os.utime(copy / "manage.py", (1, 1))
    (copy / "empty folder").mkdir()
    assert sources.digest([copy]) == before
    assert len(before) == 64


def test_any_change_changes_the_digest(project: Path) -> None:
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: (project / "manage.py").write_text("# new"),
        lambda: (project / "manage.py").chmod(0o755),
        lambda: (project / "manage.py").rename(project / "a.py"),
        lambda: (project / "empty").touch(),
        lambda: (project / "chat" / "views.py").unlink(),
    ]
    (project / "manage.py").chmod(0o644)
    digests = set()
    for change in changes:
        change()
        digests.add(sources.digest([project]))
    assert len(digests) == len(changes)


def test_digest_is_that_of_the_given_file_and_texts(project: Path) -> None:
    file = project / "manage.py"
    texts = [(), ("a", "b"), ("ab", ""), ("b", "a")]
    digests = {sources.digest([file], *text) for text in texts}
    assert len(digests) == 4
    (project / "chat" / "views.py").unlink()
    assert sources.digest([file]) in digests
    file.write_text("# new")
    assert sources.digest([file]) not in digests


def test_ignored_and_deleted_files_are_left_out(project: Path) -> None:
    (project / "deleted.py").touch()
    (project / ".gitignore").write_text("*.sqlite3\n/.env\n")
    git(project, "init", "-q")
    git(project, "add", ".")
    (project / "deleted.py").unlink()
    for name in ("untracked.py", "db.sqlite3", ".env"):
        (project / name).touch()
    assert names(project) == [".gitignore", "chat/views.py", "manage.py", "untracked.py"]


def test_caches_are_left_out_without_git(project: Path) -> None:
    for folder in ("__pycache__", "chat/__pycache__", ".venv/bin", "node_modules/x", ".git"):
        (project / folder).mkdir(parents=True)
        (project / folder / "file").touch()
    assert names(project) == ["chat/views.py", "manage.py"]


def test_ignored_project_in_another_repository_is_not_empty(project: Path) -> None:
    git(project.parent, "init", "-q")
    (project.parent / ".gitignore").write_text("*\n")
    assert "manage.py" in names(project)


def test_broken_git_is_an_error(project: Path) -> None:
    (project / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(sources.SourceError, match="git can't list"):
        sources.files(project)
