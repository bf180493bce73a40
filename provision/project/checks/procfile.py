"""Whether the processes of the Procfile can run beside the site."""

import re
from collections.abc import Iterator

from project.findings.procfile import lines
from project.findings.project import Project
from project.source.tree import Tree

# A server, with or without its path, or as Python's -m names it.
_SERVER = re.compile(r"(?:^|[\s/])(daphne|uvicorn|gunicorn|hypercorn|granian|runserver)(?=\s|$)")


def problems(project: Project) -> Iterator[str]:
    """Processes that have the name of one of the site's own."""
    for name in ("asgi", "wsgi"):
        if name in project.processes:
            yield (
                f"{project.findings.value('PROCFILE')}: the site's own processes are called"
                f" `{name}`: use another name, or `web` if this one serves the site"
            )


def notes(tree: Tree, name: str) -> Iterator[str]:
    """Remarks on the Procfile `name`; "" means that there is none."""
    processes = lines(tree, tree.root / name) if name else []
    has_web = any(process == "web" for process, _, _ in processes)
    way = "set PROCFILE to a file without it" if has_web else "call it `web`"
    for process, command, place in processes:
        server = _SERVER.search(command)
        if server and process not in ("web", "release"):
            yield (
                f"{place}: `{server[1]}` looks like the site's server, which Laurel runs itself."
                f" {process} starts beside it; {way} to leave it out"
            )
