"""Whether what the Procfile starts can run beside the site."""

import re
from collections.abc import Iterator

from project.findings.procfile import lines
from project.findings.project import Project
from project.source.tree import Tree

# What serves a site, with or without its path, or as Python's -m names it.
_SERVER = re.compile(r"(?:^|[\s/])(daphne|uvicorn|gunicorn|hypercorn|granian|runserver)(?=\s|$)")


def problems(project: Project) -> Iterator[str]:
    """A process that has the name of the site's own."""
    for name in ("asgi", "wsgi"):
        if name in project.processes:
            yield (
                f"{project.findings.value('PROCFILE')}: `{name}` is a name of the site's own"
                " processes: give that one another name, or call it `web` if it serves the site"
            )


def notes(tree: Tree, name: str) -> Iterator[str]:
    """What is worth knowing of the Procfile `name`, and no fault; "" is none."""
    processes = lines(tree, tree.root / name) if name else []
    has_web = any(process == "web" for process, _, _ in processes)
    way = "name a Procfile without it in laurel.env, PROCFILE=file," if has_web else "call it `web`"
    for process, command, place in processes:
        server = _SERVER.search(command)
        if server and process not in ("web", "release"):
            yield (
                f"{place}: `{server[1]}` looks like the site's server, which Laurel runs itself:"
                f" {process} is started beside it; {way} to leave it out"
            )
