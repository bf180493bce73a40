"""Examines a project before it is baked: what its files say, then what it says when it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from laurel import choices, layer, servers
from laurel.schema import BAKED, SETTINGS
from packaging.version import Version

from project import find, given, requirements
from project.find import Found
from project.given import Given, GivenError
from project.tree import InspectionError, Tree

NOT_RUN = "whether the project can be installed, starts, and answers"
ANSWERED = (
    *("ASGI_APPLICATION", "WSGI_APPLICATION", "STATIC_URL", "MEDIA_URL", "STATIC_FILE"),
    *("HEALTH_PATH", "PAGE_PATH", "WEBSOCKET_PATH"),
)
_LONGEST = 1000  # characters of a text; what the project says is not trusted


@dataclass
class Examination:
    """What a project is made of, and what would not work.

    `errors` and `warnings` are lines that begin with a place; `unchecked` says what was not
    checked, and why.
    """

    found: Found
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    overrides: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def answers(self) -> dict[str, str]:
        """The settings that the project itself answered, or that were given instead."""
        return {name: self.settings[name] for name in ANSWERED}

    @property
    def settings(self) -> dict[str, str]:
        """Every baked setting: the found value, or the default."""
        return {name: self.found.value(name) or SETTINGS[name].default for name in BAKED}


def examine(
    root: Path, environ: Mapping[str, str], python: str, settings_env: Path | None = None
) -> Examination:
    """Read the project's files; see given.read for `environ` and `settings_env`.

    `python` is the version of the machine's own Python, such as "3.13".
    """
    try:
        found = find.find(root, given.read(root, environ, settings_env))
        version = found.value("SITE_PYTHON") or "system"
        version = python if version == "system" else version
        other = requirements.wants_other_python(found.tree, found.requirements, version)
    except (GivenError, InspectionError) as error:
        nothing = Found(Tree(root), Given({}, {}, {}))
        return Examination(nothing, errors=str(error).splitlines())
    examined = Examination(found, warnings=list(find.notes(found)))
    examined.unchecked = [NOT_RUN]
    examined.errors += filter(None, [other])
    _refuse_old_channels(examined)
    _check_settings(examined)
    return examined


def _check_settings(examined: Examination) -> None:
    """Values that a machine cannot use, and that contradict each other."""
    settings = examined.settings
    for name, (value, place) in examined.found.settings.items():
        for part, reason in SETTINGS[name].problems(value):
            examined.errors.append(f"{place}: {SETTINGS[name].shown(part)}: {reason}")
    for one in choices.conflicts(settings):
        examined.errors.append(f"{SETTINGS[one.name].shown(settings[one.name])}: {one.reason}")
    examined.warnings += choices.warnings(settings)


def installed(examined: Examination, versions: Mapping[str, str]) -> None:
    """Take in the `versions` of the installed packages, by normalised name."""
    found, settings = examined.found, examined.settings
    if "channels" not in versions:
        place = found.value("REQUIREMENTS")
        examined.errors.append(
            f"{place}: no channels: this is not a Channels project; add channels>=4"
        )
    _refuse_old_channels(examined, versions.get("channels", ""))
    for name in {settings["ASGI_SERVER"], settings["HTTP_SERVER"]} - {"same"}:
        since = servers.read(name).since
        if name in versions and Version(versions[name]) < Version(since):
            place, _ = requirements.pinned(found.tree, found.requirements, name)
            examined.errors.append(
                f"{place}: {name} {versions[name]} lacks the options that Laurel starts it with,"
                f" which came with {since}: require that version, or choose another server"
            )


def _refuse_old_channels(examined: Examination, version: str = "") -> None:
    """Refuse Channels 1 and 2, by the installed version or by the pinned one."""
    found = examined.found
    place, pinned = requirements.pinned(found.tree, found.requirements, "channels")
    version = version or pinned
    if version.partition(".")[0] in ("1", "2"):
        examined.errors.append(
            f"{place}: channels {version}: no maintained server runs Channels 1 and 2: move the"
            " project to channels>=4 (get_asgi_application() for http, Consumer.as_asgi() in the"
            " routes)"
        )


def answered(examined: Examination, answer: Mapping[str, Any]) -> None:
    """Take in what the project answered when it ran: see probe/__main__.py."""
    found, said = examined.found, _clean(answer)
    places = said.get("places", {})
    examined.unchecked = said["unchecked"]
    examined.errors += _lines(said["errors"])
    examined.warnings += _lines(said["warnings"])
    examined.overrides = [
        (name, reason if reason != name else "the machine's own", places.get(name, ""))
        for name, _, reason in said.get("overrides", [])
    ]
    for name in ("ASGI_APPLICATION", "WSGI_APPLICATION"):
        found.settle(name, said.get(name, ""), places.get(name, "asgi.py"))
    for name in ("STATIC_URL", "MEDIA_URL"):
        found.settle(name, _url(said.get(name, "")), places.get(name, "Django's default"))
    routes = [*said.get("pages", []), *said.get("websockets", [])]
    by_path = {one["path"]: one["place"] for one in routes}
    for name in ("HEALTH_PATH", "PAGE_PATH", "WEBSOCKET_PATH"):
        path = said.get(name, "")
        found.settle(name, path, by_path.get(path) or "the project's routes")
    if said.get("static_file") and found.value("STATIC_URL"):
        file = found.value("STATIC_URL") + said["static_file"]
        found.settle("STATIC_FILE", file, "collectstatic")
    values = examined.settings
    if values["CHANNEL_LAYER"] == "project":
        refusal = layer.refusal(said.get("layers", {}), values["PROCESSES"], values["HTTP_SERVER"])
        if refusal:
            place = places.get("CHANNEL_LAYERS", values["SETTINGS_MODULE"])
            examined.errors.append(f"{place}: {refusal}")
    _check_settings(examined)


def _url(text: str) -> str:
    """A path that begins and ends with a slash; "" if it is empty or on another host."""
    return "" if "//" in text or not text.strip("/") else f"/{text.strip('/')}/"


def _lines(problems: Iterable[Mapping[str, str]]) -> list[str]:
    lines = (f"{one['place']}: {one['text']}".removeprefix(": ") for one in problems)
    return list(dict.fromkeys(lines))


def _clean(said: Any) -> Any:
    """What the project said, with each text as one line without control characters."""
    if isinstance(said, dict):
        return {str(key): _clean(value) for key, value in said.items()}
    if isinstance(said, list):
        return [_clean(value) for value in said]
    if isinstance(said, str):
        return "".join(one if one.isprintable() else " " for one in said)[:_LONGEST]
    return said
