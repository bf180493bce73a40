"""What goes into a release, and what never does: with git, without git, and on the machine."""

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import inspection
import prepare
import pytest
import sources
from prepare import Plan
from progress import Progress
from project.examination import examine

KEY = "-----BEGIN EC PRIVATE KEY-----\n"
SECRETS = {
    ".env.production": "SECRET=x\n",
    "conf/.env": "SECRET=x\n",
    ".git-credentials": "x",
    ".npmrc": "x",
    ".netrc": "x",
    ".pypirc": "x",
    ".ssh/config": "x",
    ".aws/credentials": "x",
    "id_rsa": KEY,
    "deploy/id_ed25519_site": KEY,
    "tls/site.pem": "certificate\n" + KEY,
    "tls/site.key": KEY,
    "db.sqlite3": "",
    "db.sqlite3-wal": "x",
    "data.db-journal": "x",
    "dump-2026.sql": "x",
    "site.dump": "x",
}
CODE = {
    "manage.py": "",
    "requirements.txt": "",
    "shop/views.py": "",
    ".env.example": "SECRET=\n",
    "deploy/id_rsa.pub": "x",
    "tls/ca.pem": "certificate\n",
    "words.db": "not SQLite",
    "shop/media/player.py": "",
    "my_cache/code.py": "",
}


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    command = ["git", *identity, "-c", "protocol.file.allow=always", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def write(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def commit(folder: Path, texts: dict[str, str]) -> Path:
    write(folder, texts)
    git(folder, "init", "-q")
    git(folder, "add", "--force", ".")
    git(folder, "commit", "-q", "-m", "x")
    return folder


@pytest.fixture(params=["git", "no git"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Makes a project whose files git tracks, or one without git."""
    return lambda texts: (commit if request.param == "git" else write)(tmp_path / "p", texts)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project in git."""
    return commit(tmp_path / "p", CODE)


def released(folder: Path, *include: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in sources.release(folder, include).paths}


def on_the_machine(folder: Path, top: Path, include: str = "") -> subprocess.CompletedProcess[str]:
    """Ask what 20-site.sh asks."""
    provision = top / "provision"
    return subprocess.run(
        ["python3", "-m", "project", "files", folder],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{provision}:{provision}/files/usr/lib/laurel",
            "INCLUDE": include,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_and_data_are_left_out(make: Callable[[dict[str, str]], Path], top: Path) -> None:
    folder = make({**CODE, **SECRETS})
    with sqlite3.connect(folder / "cities.sqlite") as database:
        database.execute("create table a(b)")
    assert released(folder) == set(CODE)
    left_out = sources.release(folder).left_out
    assert sorted(left_out) == sorted(
        [name for name in SECRETS if not name.startswith((".ssh", ".aws"))]
        + [".ssh/", ".aws/", "cities.sqlite"]
    )
    copied = on_the_machine(folder, top).stdout.split("\0")
    assert {name for name in copied if (folder / name).is_file()} == set(CODE)
    assert {".", "shop", "shop/media"} <= set(copied)


def test_tools_and_uploads_are_left_out_without_git(tmp_path: Path) -> None:
    tools = [
        ".git/HEAD",
        ".venv/x",
        "node_modules/x",
        "a/__pycache__/x",
        ".ruff_cache/x",
        "py/lib/x",
    ]
    folder = write(tmp_path, {**CODE, **dict.fromkeys(tools, ""), "py/pyvenv.cfg": ""})
    write(folder, {"media/a.jpg": "", "web/manage.py": "", "web/media/a.jpg": ""})
    (folder / ".git" / "HEAD").unlink()
    (folder / ".git").rmdir()
    assert released(folder) == {*CODE, "web/manage.py"}
    assert sources.release(folder).left_out == ["media/", "web/media/"]


def test_untracked_files_are_left_out(repository: Path) -> None:
    write(repository, {"notes.py": "", "media/a.jpg": "", ".gitignore": "ignored.py\n"})
    write(repository, {"ignored.py": ""})
    assert released(repository) == set(CODE)


def test_tracked_media_is_code(tmp_path: Path, top: Path) -> None:
    folder = commit(tmp_path, {**CODE, "media/logo.svg": ""})
    assert released(folder) == {*CODE, "media/logo.svg"}
    assert "media/logo.svg" in on_the_machine(folder, top).stdout


def test_laurel_env_is_released_even_if_untracked(repository: Path) -> None:
    write(repository, {"laurel.env": ""})
    assert "laurel.env" in released(repository)


def test_submodules_and_nested_repositories_are_released(tmp_path: Path, repository: Path) -> None:
    library = commit(tmp_path / "library", {"library/code.py": "", ".env": "x"})
    git(repository, "submodule", "--quiet", "add", str(library), "vendor/library")
    commit(repository / "nested", {"nested.py": ""})
    git(repository, "add", "nested")
    found = {"vendor/library/library/code.py", "nested/nested.py", ".gitmodules"}
    assert released(repository) == {*CODE, *found}

    git(repository, "commit", "-q", "-m", "x")
    git(tmp_path, "clone", "-q", str(repository), "clone")
    with pytest.raises(sources.SourceError, match="submodule update --init"):
        released(tmp_path / "clone")


def test_links_stay_links(make: Callable[[dict[str, str]], Path], top: Path) -> None:
    folder = make(CODE)
    (folder / "shop" / "run.py").symlink_to("../manage.py")
    (folder / "static").symlink_to("shop/media")
    (folder / "gone").symlink_to("shop/no-such-file")
    (folder / "secret").symlink_to("id_rsa")
    write(folder, {"id_rsa": KEY})
    if (folder / ".git").exists():
        git(folder, "add", ".")
    links = {"shop/run.py", "static", "gone", "secret"}
    assert released(folder) == {*CODE, *links}
    assert links <= set(on_the_machine(folder, top).stdout.split("\0"))
    dangling = ["gone -> shop/no-such-file", "secret -> id_rsa"]
    assert sources.release(folder).dangling == dangling


@pytest.mark.parametrize(
    "target", ["/etc/hostname", "../../library", "inside/../../..", "{project}"]
)
def test_link_out_of_the_project_is_refused(repository: Path, top: Path, target: str) -> None:
    target = target.format(project=repository / "manage.py")
    (repository / "shop" / "link").symlink_to(target)
    git(repository, "add", ".")
    problem = f"shop/link is a link to {target}, which leads out of the project: replace it"
    with pytest.raises(sources.SourceError, match=problem):
        released(repository)
    copied = on_the_machine(repository, top)
    assert copied.returncode == 1
    assert copied.stderr.startswith(problem)


def test_include_takes_files_back_in(make: Callable[[dict[str, str]], Path], top: Path) -> None:
    folder = make({**CODE, **SECRETS})
    write(folder, {"media/seed/a.jpg": "", "untracked.py": ""})
    names = ["db.sqlite3", "media/seed", "tls/site.key", "untracked.py"]
    taken = {"db.sqlite3", "media/seed/a.jpg", "tls/site.key", "untracked.py"}
    assert released(folder, *names) == {*CODE, *taken}
    assert not taken & set(sources.release(folder, names).left_out)
    assert taken <= set(on_the_machine(folder, top, ",".join(names)).stdout.split("\0"))
    with pytest.raises(sources.SourceError, match="INCLUDE=no-file: there is no such file in"):
        released(folder, "no-file")


def test_link_target_and_exec_bit_change_the_digest(repository: Path) -> None:
    def listing() -> str:
        return sources.listing(repository, sources.release(repository).paths)

    link = repository / "link"
    link.symlink_to("manage.py")
    git(repository, "add", ".")
    seen = [listing()]
    link.unlink()
    link.symlink_to("words.db")  # as empty as the other, if only contents counted
    (repository / "words.db").write_text("")
    seen.append(listing())
    link.unlink()
    link.symlink_to("requirements.txt")
    seen.append(listing())
    (repository / "manage.py").chmod(0o755)
    seen.append(listing())
    assert len(set(seen)) == 4


@pytest.mark.parametrize("name", ["manage.py", "requirements.txt", "base.txt"])
def test_untracked_file_that_the_bake_needs_is_refused(repository: Path, name: str) -> None:
    write(repository, {"requirements.txt": "-r base.txt", "base.txt": ""})
    git(repository, "add", "base.txt")
    git(repository, "rm", "-q", "--cached", name)
    found = {"INCLUDE": "", "DJANGO_ROOT": ".", "REQUIREMENTS": "requirements.txt"}
    with pytest.raises(inspection.InspectionError, match=f"^{name} does not go .*`git add {name}`"):
        inspection.release(repository, found)
    assert inspection.release(repository, {**found, "INCLUDE": name})


def test_report_names_twenty_files_and_counts_the_others(repository: Path) -> None:
    write(repository, {f"a{number:02}.dump": "" for number in range(22)})
    write(repository, {"new.py": "", "__pycache__/x.pyc": ""})
    (repository / "gone").symlink_to("nowhere")
    git(repository, "add", "gone")
    lines = list(inspection.left_out(repository, sources.release(repository)))
    assert lines[0] == "left out of the release: a00.dump (INCLUDE=a00.dump)"
    assert lines[19:] == [
        "left out of the release: a19.dump (INCLUDE=a19.dump)",
        "left out of the release: 2 more",
        "the target of this link is not in the release: gone -> nowhere",
        "git does not track new.py: `git add` takes it into the release",
    ]


def test_bake_counts_what_it_leaves_out(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"INCLUDE": "", "DJANGO_ROOT": ".", "REQUIREMENTS": "requirements.txt"}
    plan = Plan(
        os="debian-13",
        var_file=Path("unused"),
        project=repository,
        examined=examine(repository, {}, "3.13"),
        settings=found,
        base_image="",
        base_checksum="",
    )
    prepare.note_left_out(plan, Progress(1))
    assert capsys.readouterr().out == ""
    write(repository, {".env": "", "a.dump": ""})
    prepare.note_left_out(plan, Progress(1))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("left out of the release: 2 secrets or data: see `make inspect`")


def test_revision_is_the_projects_own(repository: Path) -> None:
    def revision(*include: str) -> tuple[str, bool]:
        return sources.revision(repository, sources.release(repository, include).paths)

    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()
    write(repository, {"untracked.py": ""})
    assert revision() == (head, False)
    assert revision("untracked.py") == (head, True)
    write(repository, {"shop/views.py": "# changed"})
    assert revision() == (head, True)


def test_project_without_a_commit_has_no_revision(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", CODE)
    assert sources.revision(folder, []) == ("", True)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    assert sources.revision(folder, []) == ("", True)
    git(tmp_path, "commit", "-q", "-m", "x")
    git(tmp_path, "rm", "-q", "-r", "--cached", "p")  # a repository around it
    assert sources.revision(folder, []) == ("", True)
