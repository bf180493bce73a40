"""Runs provision/probe in a root file system."""

import json
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from laurel import servers
from laurel.settings import own_environment

from project.examination import Examination, answered, installed
from project.tree import InspectionError

PROVISION = Path(__file__).resolve().parents[1]
CURRENT = Path("/srv/site/environments/current")
LONGEST = 4 << 20  # bytes of an answer
WORK = "/run/laurel-work"  # isolate.sh


def ask(
    examined: Examination,
    files: Iterable[Path],
    root: Path,
    environment: Path = CURRENT,
    as_root: Sequence[str] = (),
    patience: int = 1,
) -> None:
    """Run the project of `examined`, its `files`, in the file system `root`; take in its answers.

    `environment` is the virtual environment, as a path in `root`; `patience` multiplies the limits
    of time. Raises InspectionError if the project gives none.
    """
    installed(examined, servers.versions(root / environment.relative_to("/")))
    if examined.errors:
        return
    with tempfile.TemporaryDirectory(prefix="laurel-ask-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        _fill(work, examined, files)
        (work / "question.json").write_text(json.dumps(_question(examined, environment)))
        # The tests' environment may lie in a home directory, which is closed to other users.
        expose = f"EXPOSE={'' if environment == CURRENT else environment}"
        isolate = ["env", expose, f"PROBE_SECONDS={120 * patience}", str(PROVISION / "isolate.sh")]
        python = ["env", f"PYTHONPATH={WORK}", f"LAUREL_PATIENCE={patience}"]
        python += ["PYTHONDONTWRITEBYTECODE=1", f"{environment}/bin/python"]
        with subprocess.Popen(
            [*as_root, *isolate, "probe", str(root), folder, *python, "-m", "probe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as asked:
            assert asked.stdout  # noqa: S101 - for the type checker
            said = asked.stdout.read(LONGEST).decode(errors="replace").strip()
    try:
        answered(examined, json.loads(said.rpartition("\n")[2]))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        killed = asked.returncode in (137, -9)  # by SIGKILL
        why = "it took too long, or too much memory" if killed else said[-500:]
        raise InspectionError(f"the project gave no answer when it ran: {why}") from None


def _question(examined: Examination, environment: Path) -> dict[str, Any]:
    """What the probe gets: see probe/__main__.py. `environment` is the virtual environment."""
    found, settings = examined.found, examined.settings
    app = "/tmp/app"
    path = [f"{WORK}/production", WORK]
    if settings["IMPORT_ROOT"]:
        path.append(f"{app}/{settings['IMPORT_ROOT']}")
    if "PYTHONPATH" in found.given.exports:
        path.append(found.given.exports["PYTHONPATH"])
    variables = {
        **own_environment(settings, ["localhost", "127.0.0.1"]),
        **found.given.exports,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "STATIC_ROOT": "/tmp/static",
        "PYTHONPATH": ":".join(path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{environment}/bin:/usr/local/bin:/usr/bin:/bin",
        "LAUREL_PROCFILE": f"{app}/{settings['PROCFILE']}",
        "LAUREL_REQUIREMENTS": settings["REQUIREMENTS"],
    }
    return {
        "environment": {
            name: value.replace("/var/lib/site", "/tmp/state") for name, value in variables.items()
        },
        "django_root": settings["DJANGO_ROOT"],
        "applications": found.applications,
        "given": "ASGI_APPLICATION" in found.given.values,
        "server": servers.read(settings["ASGI_SERVER"]).command,
    }


def _fill(work: Path, examined: Examination, files: Iterable[Path]) -> None:
    top = examined.found.tree.root
    for path in files:
        target = work / "app" / path.relative_to(top)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target, follow_symlinks=False)
    for name in ("probe", "production"):
        unused = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROVISION / name, work / name, ignore=unused)
    # The probe has another user, whatever this user's umask is.
    for path in [work, *work.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
