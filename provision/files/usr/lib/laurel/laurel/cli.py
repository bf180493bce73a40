"""The command line: one function for each verb.

Each imports what it needs and no more: three of them run at boot, before the site does.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from laurel.errors import LaurelError


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.needs_root and os.geteuid() != 0:
            raise LaurelError(f"`laurel {options.verb}` needs root: run it with sudo")
        code: int = options.run(options)
        return code
    except LaurelError as error:
        print(f"laurel: error: {error}", file=sys.stderr)
        return 1


def _status(_: argparse.Namespace) -> int:
    from laurel import settings, status

    lines, problems = status.report(settings.load())
    print(*lines, sep="\n")
    for problem in problems:
        print(f"laurel: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _reload(options: argparse.Namespace) -> int:
    from laurel import rolling

    if options.if_outdated and not rolling.outdated():
        return 0
    rolling.reload(_say)
    return 0


def _wait(_: argparse.Namespace) -> int:
    from laurel import rolling, settings

    rolling.wait(settings.load())
    return 0


def _manage(options: argparse.Namespace) -> int:
    from laurel import site

    return site.manage(options.arguments)


def _settings(_: argparse.Namespace) -> int:
    from laurel import site

    return site.overrides()


def _configure(options: argparse.Namespace) -> int:
    from laurel.configure import configure

    current, _changed = configure(render=not options.environment)
    for problem in current.problems:
        print(f"laurel: {problem}", file=sys.stderr)
    return 1 if current.problems else 0


def _render(options: argparse.Namespace) -> int:
    from laurel import settings, templates

    if templates.render_file(options.target, settings.load()):
        print(options.target)
    return 0


def _check_layer(_: argparse.Namespace) -> int:
    from laurel import settings, site

    site.check_layer(settings.load())
    return 0


def _check_port(_: argparse.Namespace) -> int:
    from laurel import port, settings

    port.check(settings.load())
    return 0


def _start(_: argparse.Namespace) -> int:
    from laurel import settings, systemd

    current = settings.load()
    if current.get("PROCESS_MANAGER") != "systemd":
        raise LaurelError("supervisor starts the processes here: `systemctl start supervisor`")
    systemd.start(current)
    return 0


def _migrate(options: argparse.Namespace) -> int:
    from laurel import settings, site

    if not options.if_outdated or site.outdated():
        site.migrate(settings.load(), _say)
    return 0


def _watch(_: argparse.Namespace) -> int:
    from laurel import watch

    watch.watch(_say)
    return 0


def _server_packages(_: argparse.Namespace) -> int:
    from laurel import servers

    for name in (os.environ["ASGI_SERVER"], os.environ["HTTP_SERVER"]):
        if name != "same":
            print(*servers.read(name).packages, sep="\n")
    return 0


def _describe(options: argparse.Namespace) -> int:
    from laurel import release

    if options.write:
        release.write()
    elif release.RELEASE.exists():
        print(release.RELEASE.read_text(), end="")
    return 0


def _say(text: str) -> None:
    print(f"laurel: {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="laurel", description="Look after this machine's site.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(
        name: str, run: Callable[[argparse.Namespace], int], text: str, root: bool = True
    ) -> argparse.ArgumentParser:
        found = verbs.add_parser(name, help=text, description=text)
        found.set_defaults(run=run, needs_root=root)
        return found

    verb("status", _status, "how the site is; exit code 1 if anything is wrong")
    reload = verb("reload", _reload, "read the settings again and renew each process in turn")
    reload.add_argument("--if-outdated", action="store_true", help="only for another release")
    manage = verb("manage", _manage, "run the project's manage.py with the site's settings")
    manage.add_argument("arguments", nargs=argparse.REMAINDER)
    verb("settings", _settings, "which of the project's settings are others here, and why")
    verb("wait", _wait, "wait until every process answers")
    configure = verb("configure", _configure, "fit the settings to this machine; each boot does")
    configure.add_argument("--environment", action="store_true", help="the site's alone, no file")
    migrate = verb("migrate", _migrate, "run the release command; each boot does")
    migrate.add_argument("--if-outdated", action="store_true", help="only once for a release")
    verb("watch", _watch, "restart processes that no longer answer; a service runs it")
    describe = verb("describe", _describe, "print what this machine was made of", root=False)
    describe.add_argument("--write", action="store_true", help="write it anew first")
    verb("check-layer", _check_layer, "refuse a channel layer that loses messages")
    verb("check-port", _check_port, "refuse to start when the port is taken")
    verb("start", _start, "start the processes; where systemd manages them, a service runs it")
    verb(
        "server-packages",
        _server_packages,
        "what the servers of ASGI_SERVER and HTTP_SERVER need",
        root=False,
    )
    render = verb("render", _render, "render one file from its template")
    render.add_argument("target", type=Path)
    return parser
