"""`python -m probe`: runs the project in stages, and prints what each one answers, as JSON.

isolate.sh starts it, beside the project (app/) and question.json, which has

    environment   variables of the site's processes
    django_root   folder of manage.py, relative to the project
    applications  ASGI applications to try after that of the settings, as module:attribute
    given         whether only these are to be tried
    server        command of the site's server, with {socket}, {descriptor} and {application}

The answer has `errors` and `warnings`, each with `place` and `text`; `unchecked`, lines; and what
the stages found. Each stage is a process of its own, because a server, too, imports the application
into a new one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from probe import serve
from probe.paths import ANSWER, APP, STATE

WORK = Path(__file__).resolve().parent.parent
MOST_VARIABLES = 30
# What stands in for a variable that the settings need.
PLACEHOLDERS = (
    ("DATABASE", f"sqlite:///{STATE}/db.sqlite3"),
    ("REDIS|BROKER", "redis://127.0.0.1:6379"),
    ("URL|URI|ENDPOINT", "https://laurel.invalid/"),
    ("HOST", "localhost"),
    ("MAIL", "laurel@laurel.invalid"),
    ("PORT|COUNT|SIZE|TIMEOUT|SECONDS|DAYS|HOURS|LIMIT|NUM|DEBUG|ENABLE|USE_", "1"),
    ("", "laurel"),
)

Answer = dict  # JSON


def main() -> None:
    """Answer question.json."""
    question = json.loads((WORK / "question.json").read_text())
    shutil.copytree(WORK / "app", APP, symlinks=True)
    STATE.mkdir()
    (STATE / "media").mkdir()
    with serve.Running(serve.redis()):  # the application may ask Redis while it loads
        answer = ask(question)
    print(json.dumps(answer))


def ask(question: dict[str, Any]) -> Answer:
    """Run the stages in order, as far as the project lets them."""
    answer: Answer = {"errors": [], "warnings": [], "unchecked": []}
    environment = {**os.environ, **question["environment"]}
    root = APP / question["django_root"]

    def stage(name: str, *arguments: str) -> Answer:
        got = run(root, environment, name, *arguments)
        got["failed"] = bool(got.get("errors"))
        for kind in ("errors", "warnings", "unchecked"):
            known = [one["text"] for one in answer[kind]] if kind != "unchecked" else []
            answer[kind] += [one for one in got.pop(kind, []) if one["text"] not in known]
        return got

    def stop(*unchecked: str) -> Answer:
        answer["unchecked"] += unchecked
        return answer

    needed = settings(root, environment, answer)
    if answer["errors"]:
        return stop("the application, its pages and its websockets: the settings cannot be read")
    answer.update(needed)
    answer.update(stage("static"))
    if answer["vendors"] == ["sqlite"]:
        serve.migrate(answer, root, environment)
    # As on the machine: the code is read-only after the static files are collected.
    subprocess.run(["chmod", "-R", "a-w", str(APP)], check=True)
    first = [] if question["given"] else needed["applications"]
    found = application(stage, [*first, *question["applications"]], answer)
    if not found:
        return stop("pages and websockets: the application does not load")
    answer["ASGI_APPLICATION"] = found
    answer.update(stage("questions", found))
    if answer.pop("failed"):
        return stop("requests to the site's server: see the errors")
    answer.update(serve.serve(question, answer, root, environment))
    return answer


def settings(root: Path, environment: dict[str, str], answer: Answer) -> Answer:
    """Load the settings; name all variables that they need, by trying again with a stand-in."""
    environment = dict(environment)
    missing: list[Answer] = []
    last: list[Answer] = []
    for _ in range(MOST_VARIABLES):
        got = run(root, environment, "settings")
        variable = got.get("variable")
        if not variable or variable in environment:
            last = got.pop("errors", [])
            break
        missing += got["errors"]
        name = variable.upper()
        environment[variable] = next(
            value for parts, value in PLACEHOLDERS if any(part in name for part in parts.split("|"))
        )
    # A stand-in that changed nothing shows that the variable was not the reason.
    reasons = [one.get("reason") for one in last]
    missing = [one for one in missing if one["reason"] not in reasons]
    answer["errors"] += missing or last
    answer["warnings"] += got.pop("warnings", [])
    return got


def application(stage: Any, names: list[str], answer: Answer) -> str:
    """The first application that loads; otherwise "", and the reasons are among the errors."""
    if not names:
        answer["errors"].append(
            {
                "place": "",
                "text": "no asgi.py, and the settings have no ASGI_APPLICATION: Channels is not"
                " set up. Add asgi.py beside the settings, as in the Channels guide",
            }
        )
    before = list(answer["errors"])
    first: list[Answer] | None = None
    for name in dict.fromkeys(names):
        stage("application", name)
        if answer["errors"] == before:
            return name
        first = first or answer["errors"]
        answer["errors"] = list(before)
    answer["errors"] = first or before
    return ""


def run(root: Path, environment: dict[str, str], *stage: str) -> Answer:
    """The answer of a stage, which runs as a process of its own."""
    ANSWER.unlink(missing_ok=True)
    try:
        code, said = serve.python(root, environment, "-m", "probe.stages", *stage)
        why = f"it ended with exit code {code}: {said[-400:] or 'it said nothing'}"
    except subprocess.TimeoutExpired as error:
        why = f"it did not end within {error.timeout} s"
    try:
        return dict(json.loads(ANSWER.read_text()))
    except FileNotFoundError:
        pass
    except ValueError:
        why = "its answer is cut off: the project and its static files may need too much space"
    return {"errors": [{"place": "", "text": f"loading the project ({stage[0]}): {why}"}]}


if __name__ == "__main__":
    main()
