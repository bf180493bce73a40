"""The command line: one function for each verb.

Each function imports only what it needs: three verbs run at boot, and imports would delay the site.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from laurel.errors import LaurelError


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.needs_root and os.geteuid() != 0:
            raise LaurelError(f"`laurel {options.verb}` needs root: run it with sudo")
        return options.run(options) or 0
    except (LaurelError, OSError) as error:  # OSError: such as a full disk
        print(f"laurel: error: {error}", file=sys.stderr)
        return 1


def _say(text: str) -> None:
    print(f"laurel: {text}", flush=True)


def _complain(problems: list[str]) -> int:
    for problem in problems:
        print(f"laurel: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _status(_: argparse.Namespace) -> int:
    from laurel import settings, status

    lines, problems = status.report(settings.load())
    print(*lines, sep="\n")
    return _complain(problems)


def _reload(options: argparse.Namespace) -> None:
    from laurel import rolling

    if not options.if_outdated or rolling.outdated():
        rolling.reload(_say)


def _wait(_: argparse.Namespace) -> None:
    from laurel import rolling, settings

    rolling.wait(settings.load())


def _manage(options: argparse.Namespace) -> int:
    from laurel import site

    return site.python("manage.py", *options.arguments)


def _settings(_: argparse.Namespace) -> int:
    from laurel import site

    return site.python("-m", "laurel_production")


def _configure(options: argparse.Namespace) -> int:
    from laurel.configure import configure

    current = configure()
    code = _complain(current.problems)
    if not options.environment:
        from laurel import templates

        templates.render_all(current)
    return code


def _render(options: argparse.Namespace) -> None:
    from laurel import settings, templates

    if templates.render_file(options.target, settings.load()):
        print(options.target)


def _check_layer(_: argparse.Namespace) -> None:
    from laurel import settings, site

    site.check_layer(settings.load())


def _check_port(_: argparse.Namespace) -> None:
    from laurel import port, settings

    port.check(settings.load())


def _start(_: argparse.Namespace) -> None:
    from laurel import settings, systemd

    current = settings.load()
    if current.get("PROCESS_MANAGER") != "systemd":
        raise LaurelError("supervisor starts the processes here: `systemctl start supervisor`")
    systemd.start(current)


def _migrate(options: argparse.Namespace) -> None:
    from laurel import settings, site

    if not options.if_outdated or site.outdated():
        site.migrate(settings.load(), _say)


def _watch(_: argparse.Namespace) -> None:
    from laurel import watch

    watch.watch(_say)


def _upgraded(_: argparse.Namespace) -> None:
    from laurel import nginx

    nginx.hand_over(_say)


def _server_packages(_: argparse.Namespace) -> None:
    from laurel import servers

    for name in (os.environ["ASGI_SERVER"], os.environ["HTTP_SERVER"]):
        if name != "same":
            print(*servers.read(name).packages, sep="\n")


def _describe(options: argparse.Namespace) -> None:
    from laurel import release

    if options.write:
        release.write()
    elif release.RELEASE.exists():
        print(release.RELEASE.read_text(), end="")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="laurel", description="Look after this machine's site.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(
        name: str, run: Callable[[argparse.Namespace], int | None], text: str, root: bool = True
    ) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(run=run, needs_root=root)
        return added

    verb("status", _status, "show the state of the site; exit code 1 if anything is wrong")
    reload = verb(
        "reload", _reload, "read the settings again and restart the processes in two halves"
    )
    reload.add_argument("--if-outdated", action="store_true", help="only if they run old code")
    manage = verb("manage", _manage, "run the project's manage.py with the site's settings")
    manage.add_argument("arguments", nargs=argparse.REMAINDER)
    verb("settings", _settings, "show which of the project's settings Laurel overrides, and why")
    verb("wait", _wait, "wait until every process answers")
    configure = verb("configure", _configure, "fit the settings to this machine; runs at each boot")
    configure.add_argument("--environment", action="store_true", help="write no configuration file")
    migrate = verb("migrate", _migrate, "run the release command; runs at each boot")
    migrate.add_argument("--if-outdated", action="store_true", help="only once for each release")
    verb("watch", _watch, "restart processes that do not answer; a service runs it")
    verb("upgraded", _upgraded, "start nginx's new version without a lost request; apt runs it")
    describe = verb("describe", _describe, "print what this machine was built from", root=False)
    describe.add_argument("--write", action="store_true", help="update the description instead")
    verb("check-layer", _check_layer, "fail if the channel layer loses messages between processes")
    verb("check-port", _check_port, "fail if another program holds the shared socket's port")
    verb("start", _start, "start the processes under systemd; a service runs it")
    verb(
        "server-packages",
        _server_packages,
        "list the packages that ASGI_SERVER and HTTP_SERVER need",
        root=False,
    )
    render = verb("render", _render, "render one file from its template")
    render.add_argument("target", type=Path)
    return parser
